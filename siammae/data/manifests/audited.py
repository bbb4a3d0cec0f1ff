"""The clips that an audit has found readable, each read by the reader that reads it rightly."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from typing_extensions import override

from siammae.data.manifests.facts import DECORD, IMAGES, NONE, PYAV, base_of, name_of, status_of
from siammae.data.manifests.manifest import read_columns
from siammae.data.reading.clips import FileClips, SmallerClip
from siammae.data.reading.video import Clip, Judged, open_clip
from siammae.system.errors import DataError

READERS = (DECORD, PYAV, IMAGES)


class AuditedSource(Protocol):
    """What is needed of a data set to read its manifest."""

    root: str
    manifest: str | None

    def videos(self) -> list[Path]:
        """Return the paths of its clips in its order."""

    def clips_at(self, paths: Sequence[Path]) -> FileClips:
        """Return some of these clips, ready to be opened."""

    def overrides(self) -> str:
        """Return what names the data set on the command line."""


class AuditedClips(FileClips):
    """The clips of a data set that can be read.

    Args:
        clips: the same clips as their source gives them; it opens folders of images.
        readers: (N,) int8, places of the clips' readers in `READERS`.
        frames: (N,) int32, numbers of frames that can be read.
        fps: (N,) float64, frames per second; nan where unknown.
    """

    def __init__(self, clips: FileClips, readers: np.ndarray, frames: np.ndarray, fps: np.ndarray):
        super().__init__(clips.paths, clips.short_side)
        self.clips, self.readers, self.frames, self.fps = clips, readers, frames, fps

    @override
    def open(self, clip: int) -> Clip:
        if READERS[self.readers[clip]] == IMAGES:
            return FirstFrames(self.clips.open(clip), int(self.frames[clip]))
        fps = None if np.isnan(self.fps[clip]) else float(self.fps[clip])
        judged = Judged(READERS[self.readers[clip]], int(self.frames[clip]), fps)
        return SmallerClip(open_clip(self.paths[clip], judged), self.short_side)

    def fingerprint(self, base: Path) -> str:
        """Return a short hash of which clips are read, by which reader and how far.

        Paths count from ``base``, so that moving the folder changes nothing.
        """
        digest = hashlib.sha256()
        for path, reader, frames in zip(self.paths, self.readers, self.frames, strict=True):
            how = f"{READERS[reader]}\0{frames}"
            digest.update(f"{name_of(path, base)}\0{status_of(path)[0]}\0{how}\n".encode())
        return digest.hexdigest()[:10]


class FirstFrames(Clip):
    """The first frames of a clip."""

    def __init__(self, clip: Clip, frames: int):
        self.clip, self.fps, self.step = clip, clip.fps, clip.step
        self.frames = min(frames, clip.frames)

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return self.clip.read(indices)


def audited_clips(source: AuditedSource) -> AuditedClips:
    """Return the clips that ``source.manifest`` says are readable.

    Raises:
        DataError: when it is no manifest, is one of other files, or leaves no clip.
    """
    manifest, base = Path(str(source.manifest)).expanduser(), base_of(source.root)
    columns = read_columns(manifest, ("path", "bytes", "reader", "usable", "fps"))
    rows = {row[0]: row[1:] for row in zip(*columns.values(), strict=True)}
    kept, readers, frames, rates = [], [], [], []
    for path in source.videos():
        name = name_of(path, base)
        if name not in rows:
            raise _unfit(source, manifest, f"{name} is not in it")
        size, reader, usable, fps = rows[name]
        now = status_of(path)[0]
        if size != now:
            change = "is missing" if now < 0 else f"has {now:,} bytes, not {max(size, 0):,}"
            raise _unfit(source, manifest, f"{name} {change}")
        if reader != NONE:
            kept.append(path)
            readers.append(READERS.index(reader))
            frames.append(usable)
            rates.append(np.nan if fps is None else fps)
    if not kept:
        raise DataError(f"data.manifest={manifest}: none of its {len(rows)} clips can be read")
    return AuditedClips(
        source.clips_at(kept),
        np.array(readers, np.int8),
        np.array(frames, np.int32),
        np.array(rates, np.float64),
    )


def _unfit(source: AuditedSource, manifest: Path, what: str) -> DataError:
    return DataError(
        f"data.manifest={manifest} does not fit data.root={source.root}: {what}; renew it with "
        f"python -m siammae.audit {source.overrides()} out={manifest}"
    )
