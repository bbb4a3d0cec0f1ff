"""Clips as an audit has judged them: without broken ones, each read by the right reader."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from siammae.config.errors import DataError
from siammae.config.paths import CONFIGS
from siammae.data.auditing.facts import DECORD, IMAGES, NONE, PYAV
from siammae.data.auditing.manifest import read_columns
from siammae.data.auditing.names import base_of, name_of
from siammae.data.auditing.status import status_of
from siammae.data.clips import FileClips, SmallerClip
from siammae.data.video import Clip, Judged, open_clip

if TYPE_CHECKING:
    from siammae.data.datasets import ClipSource

READERS = (DECORD, PYAV, IMAGES)


class AuditedClips(FileClips):
    """The clips of a data set that can be read.

    Args:
        clips: the same as their source gives them; it opens folders of images.
        readers: their places in `READERS`, int8.
        frames: that can be read, int32.
        fps: of the videos, float64; nan where unknown.
    """

    def __init__(self, clips: FileClips, readers: np.ndarray, frames: np.ndarray, fps: np.ndarray):
        super().__init__(clips.paths, clips.short_side)
        self.clips, self.readers, self.frames, self.fps = clips, readers, frames, fps

    def open(self, clip: int) -> Clip:
        """See `Clips.open`."""
        if READERS[self.readers[clip]] == IMAGES:
            return FirstFrames(self.clips.open(clip), int(self.frames[clip]))
        fps = None if np.isnan(self.fps[clip]) else float(self.fps[clip])
        judged = Judged(READERS[self.readers[clip]], int(self.frames[clip]), fps)
        return SmallerClip(open_clip(self.paths[clip], judged), self.short_side)

    def fingerprint(self, base: Path) -> str:
        """A short hash of which clips are read, by whom and how far; paths count from ``base``."""
        digest = hashlib.sha256()
        for path, reader, frames in zip(self.paths, self.readers, self.frames, strict=True):
            size, told = status_of(path)[0], f"{READERS[reader]}\0{frames}"
            digest.update(f"{name_of(path, base)}\0{size}\0{told}\n".encode())
        return digest.hexdigest()[:10]


class FirstFrames:
    """A clip that ends sooner."""

    def __init__(self, clip: Clip, frames: int):
        self.clip, self.fps, self.step = clip, clip.fps, clip.step
        self.frames = min(frames, clip.frames)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """See `Clip.read`."""
        return self.clip.read(indices)


def audited_clips(source: "ClipSource") -> AuditedClips:
    """The clips that ``source.manifest`` tells to be readable.

    Raises:
        DataError: when the manifest is none, is not of these files, or leaves no clip.
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
            told = "is missing" if now < 0 else f"has {now:,} bytes, not {max(size, 0):,}"
            raise _unfit(source, manifest, f"{name} {told}")
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


def _unfit(source: "ClipSource", manifest: Path, what: str) -> DataError:
    return DataError(
        f"data.manifest={manifest} does not fit data.root={source.root}: {what}; renew it with "
        f"python -m siammae.audit {settings_of(source)} out={manifest}"
    )


def settings_of(source: "ClipSource") -> str:
    """What names a source on the command line: its option, root and keys of its own."""
    from siammae.data.datasets import ClipSource

    common = {field.name for field in fields(ClipSource)}
    told = [f"data={_option_of(type(source))}", f"data.root={source.root}"]
    for field in fields(source):
        value = getattr(source, field.name)
        if field.name not in common and value != field.default and isinstance(value, str | int):
            told.append(f"data.{field.name}={value}")
    return " ".join(told)


def _option_of(kind: type) -> str:
    """The configuration that names a class."""
    target = f"{kind.__module__}.{kind.__qualname__}"
    for path in sorted((CONFIGS / "data").glob("*.yaml")):
        if (yaml.safe_load(path.read_text()) or {}).get("_target_") == target:
            return path.stem
    return "NAME"
