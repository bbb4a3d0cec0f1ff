"""What an audit finds out about a file: the columns of a manifest, and how a file is recognised."""

import os
from dataclasses import dataclass
from pathlib import Path

from siammae.system.foreign_text import as_utf8

VERSION = 2  # of these facts and how they are found; rows of another one are read again
VIDEO, IMAGES, NONE = "video", "images", "none"
BROKEN, DAMAGED, WHOLE = "broken", "damaged", "whole"


@dataclass
class Facts:
    """The findings about one video file, folder of images or image. None means unknown.

    path: path below the data set's root, with ``/``; see `name_of`.
    bytes, modified: see `status_of`.
    frames: number of frames that decoding from the start gives, up to where it breaks.
    header_frames: number of frames that the container promises.
    fps: frames per second by the time stamps, or as the container says where it has none.
    variable_rate: whether the times between two frames differ by more than a tenth.
    width, height: size in pixels of the upright frames, as they are read.
    codec, pixel_format: FFmpeg's names.
    rotation: the turn that was undone, in degrees counter-clockwise: 0, 90, 180 or 270.
    duration: length in seconds, as the container says.
    streams: number of video streams; the one that FFmpeg calls the best is read.
    first_bad: number of the first frame that is damaged or missing, where decoding breaks.
    reader: what reads it: ``video``, ``images`` (a folder, or one) or ``none``.
    usable: frames 0 .. usable - 1 are whole; 0 for ``none``.
    reason: why it is not read to its end; empty when it is.
    seconds: how long the audit of this file took.
    decoders: version of PyAV.
    version: version of the audit.
    """

    path: str
    bytes: int
    modified: int
    frames: int | None = None
    header_frames: int | None = None
    fps: float | None = None
    variable_rate: bool | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    pixel_format: str | None = None
    rotation: int | None = None
    duration: float | None = None
    streams: int | None = None
    first_bad: int | None = None
    reader: str = NONE
    usable: int = 0
    reason: str = ""
    seconds: float = 0.0
    decoders: str = ""
    version: int = VERSION

    @property
    def state(self) -> str:
        """Return ``broken`` (no reader), ``damaged`` (good up to `first_bad`) or ``whole``."""
        if self.reader == NONE:
            return BROKEN
        return WHOLE if self.first_bad is None else DAMAGED

    def judge(self, reader: str, usable: int, reason: str = "") -> None:
        """Record what reads the file, how far, and why not to its end."""
        reasons = [text for text in (self.reason, reason) if text]
        self.reader, self.usable, self.reason = reader, usable, "; ".join(reasons)

    def reject(self, reason: str) -> None:
        """Record that no reader reads the file."""
        self.judge(NONE, 0, reason)


def base_of(root: str) -> Path:
    """Return the folder that names in a manifest start from: the root, or a list file's folder."""
    path = Path(root).expanduser().absolute()
    return path.parent if path.is_file() else path


def name_of(path: Path, base: Path) -> str:
    """Return the name of a clip in a manifest: its path below ``base``, with ``/``.

    Bytes that are no UTF-8, which Parquet cannot hold, are written as ``\\xNN``.
    """
    return as_utf8(Path(os.path.relpath(path, base)).as_posix())


def status_of(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of change in ns, by which a changed file is recognised.

    For a folder both are those of the files in it. For something missing both are -1.
    """
    try:
        if path.is_dir():
            inside = [file.stat() for file in path.iterdir() if file.is_file()]
            times = (status.st_mtime_ns for status in inside)
            return sum(status.st_size for status in inside), max(times, default=0)
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
