"""What an audit tells of a file: the columns of a manifest."""

from dataclasses import dataclass

VERSION = 1  # of these facts and how they are found; rows of another one are read again
DECORD, PYAV, IMAGES, NONE = "decord", "pyav", "images", "none"
BROKEN, DAMAGED, WHOLE = "broken", "damaged", "whole"


@dataclass
class Facts:
    """One file, or one folder of images. Unknown is None.

    path: relative to the data set's root, with ``/``; see `siammae.data.auditing.clip_names`.
    bytes, modified: size, and time of change in ns, by which a changed file is recognised; -1 for
        a file that is missing.
    frames: that straight decoding gives, up to where it breaks.
    header_frames: that the container promises.
    fps: frames a second, as the container says.
    variable_rate: whether the times between two frames differ by more than a tenth.
    width, height: in pixels, upright, as the frames are read.
    codec, pixel_format: FFmpeg's names.
    rotation: that was undone, in degrees counter-clockwise: 0, 90, 180 or 270.
    duration: in seconds, as the container says.
    streams: of video in the file; the one that is read is the one that FFmpeg calls the best.
    seek_equal: whether decord's reads after a seek gave the frames of straight decoding.
    first_bad: number of the first frame that is damaged or missing, where decoding breaks.
    reader: that gives the right frames and should be used: ``decord``, ``pyav`` (from the start),
        ``images`` (a folder) or ``none``.
    usable: frames 0 .. usable - 1 can be read by it; 0 for ``none``.
    reason: why the file is not read by decord to its end; empty when it is.
    seconds: that the audit took.
    decoders: versions of PyAV and decord.
    version: of the audit.
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
    seek_equal: bool | None = None
    first_bad: int | None = None
    reader: str = NONE
    usable: int = 0
    reason: str = ""
    seconds: float = 0.0
    decoders: str = ""
    version: int = VERSION

    @property
    def state(self) -> str:
        """``broken`` (no reader), ``damaged`` (good up to `first_bad`) or ``whole``."""
        if self.reader == NONE:
            return BROKEN
        return WHOLE if self.first_bad is None else DAMAGED

    def judge(self, reader: str, usable: int, reason: str = "") -> None:
        """Settle who reads the file, or that nobody does."""
        reasons = [text for text in (self.reason, reason) if text]
        self.reader, self.usable, self.reason = reader, usable, "; ".join(reasons)

    def reject(self, reason: str) -> None:
        """Nobody reads the file."""
        self.judge(NONE, 0, reason)
