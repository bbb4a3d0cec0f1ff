"""The clips that an audit has found readable, each up to its first damage."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from typing_extensions import override

from siammae.data.manifests.facts import NONE, base_of, name_of, status_of
from siammae.data.manifests.manifest import read_columns
from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import FileClips
from siammae.system.errors import DataError


class AuditedSource(Protocol):
    """What is needed of a data set to read its manifest."""

    root: str
    manifest: str | None

    def videos(self) -> Sequence[Path]:
        """Return the paths of its clips in its order."""

    def clips_at(self, paths: Sequence[Path]) -> FileClips:
        """Return some of these clips, ready to be opened."""

    def overrides(self) -> str:
        """Return what names the data set on the command line."""


class AuditedClips(FileClips):
    """The clips of a data set that can be read, each up to its first damage.

    Args:
        clips: the same clips as their source gives them.
        frames: (N,) int32, numbers of frames that are whole.
    """

    def __init__(self, clips: FileClips, frames: np.ndarray):
        super().__init__(clips.paths, clips.short_side)
        self.clips, self.frames = clips, frames

    @override
    def open(self, clip: int) -> Clip:
        return FirstFrames(self.clips.open(clip), int(self.frames[clip]))

    def fingerprint(self, base: Path) -> str:
        """Return a short hash of which clips are read and how far.

        Paths count from ``base``, so that moving the folder changes nothing.
        """
        digest = hashlib.sha256()
        for path, frames in zip(self.paths, self.frames, strict=True):
            row = f"{name_of(path, base)}\0{status_of(path)[0]}\0{frames}\n"
            digest.update(row.encode())
        return digest.hexdigest()[:10]


class FirstFrames(Clip):
    """The first frames of a clip."""

    def __init__(self, clip: Clip, frames: int):
        self.clip, self.fps, self.step = clip, clip.fps, clip.step
        self.frames = min(frames, clip.frames)

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return self.clip.read(indices)

    @override
    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        return self.clip.in_order(indices)


def audited_clips(source: AuditedSource) -> AuditedClips:
    """Return the clips that ``source.manifest`` says are readable.

    Raises:
        DataError: when it is no manifest, is one of other files, or leaves no clip.
    """
    manifest, base = Path(str(source.manifest)).expanduser(), base_of(source.root)
    columns = read_columns(manifest, ("path", "bytes", "reader", "usable"))
    rows = {row[0]: row[1:] for row in zip(*columns.values(), strict=True)}
    kept, frames = [], []
    for path in source.videos():
        name = name_of(path, base)
        if name not in rows:
            raise _unfit(source, manifest, f"{name} is not in it")
        size, reader, usable = rows[name]
        now = status_of(path)[0]
        if size != now:
            change = "is missing" if now < 0 else f"has {now:,} bytes, not {max(size, 0):,}"
            raise _unfit(source, manifest, f"{name} {change}")
        if reader != NONE:
            kept.append(path)
            frames.append(usable)
    if not kept:
        raise DataError(f"data.manifest={manifest}: none of its {len(rows)} clips can be read")
    return AuditedClips(source.clips_at(kept), np.array(frames, np.int32))


def _unfit(source: AuditedSource, manifest: Path, what: str) -> DataError:
    return DataError(
        f"data.manifest={manifest} does not fit data.root={source.root}: {what}; renew it with "
        f"python -m siammae.audit {source.overrides()} out={manifest}"
    )
