"""Decoding a file with PyAV from the first frame to the last: what any other read must give.

FFmpeg's decoders go on after damage and mark the pictures that they had to invent. Frames count as
bad from the first of these on, or from where decoding ends with an error. B-frames shown just
before a marked one are predicted from it, so they are bad without a mark.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from siammae.data.auditing.frame_sample import FrameSample
from siammae.data.manifests.facts import Facts
from siammae.data.reading.video import possible_rate, upright, video_stream
from siammae.system.errors import DataError


def read_straight(path: Path, facts: Facts, sample: FrameSample) -> Iterator[None]:
    """Decode a file once, fill in its facts and keep frames for a comparison.

    It yields after each frame as a sign of life, since a long video is no hanging decoder.

    Raises:
        DataError: when the file has no video or cannot be opened.
    """
    import av
    from av.video.frame import PictureType

    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"no video that FFmpeg knows: {_reason(error)}") from None
    with container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = 1  # the cores are shared out by processes
        _describe(container, stream, facts)
        facts.frames, unharmed, times = 0, 0, _Times()
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    _bad_from(unharmed, "are damaged", facts)
                _count(frame, facts, sample)
                if frame.pict_type != PictureType.B:
                    unharmed = facts.frames
                times.add(frame.pts)
                yield
        except (av.error.FFmpegError, OSError, ValueError) as error:
            _bad_from(facts.frames, f"cannot be decoded ({_reason(error)})", facts)
        facts.variable_rate = times.vary()


def _describe(container: Any, stream: Any, facts: Facts) -> None:
    """Fill in what the headers say."""
    codec = stream.codec_context
    facts.codec, facts.pixel_format = codec.codec.canonical_name, codec.pix_fmt
    facts.streams = len(container.streams.video)
    facts.header_frames = stream.frames or None
    facts.fps = possible_rate(stream.average_rate)
    if stream.duration is not None and stream.time_base is not None:
        facts.duration = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        facts.duration = container.duration / 1e6


def _count(frame: Any, facts: Facts, sample: FrameSample) -> None:
    assert facts.frames is not None
    if facts.frames == 0:
        facts.rotation = round(getattr(frame, "rotation", 0) / 90) % 4 * 90
        sides = (frame.width, frame.height)
        facts.width, facts.height = sides if facts.rotation % 180 == 0 else sides[::-1]
    sample.add(facts.frames, frame)
    facts.frames += 1


def _bad_from(number: int, what: str, facts: Facts) -> None:
    if facts.first_bad is None:
        facts.first_bad, facts.reason = number, f"frames from {number} on {what}"


def _reason(error: Exception) -> str:
    """Return the first line of FFmpeg's message, without the file's name."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def sample_of_video() -> FrameSample:
    """Return an empty sample for PyAV's frames."""
    return FrameSample(upright)


class _Times:
    """The time stamps of frames in order of display, in units of the stream."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last: int | None = None
        self._count, self._known = 0, True
        self._least, self._most = float("inf"), 0.0

    def add(self, pts: int | None) -> None:
        """Take the time stamp of the next frame."""
        if pts is None:
            self._known = False
            return
        if self._last is not None:
            step = pts - self._last
            self._least, self._most = min(self._least, step), max(self._most, step)
        else:
            self._first = pts
        self._last, self._count = pts, self._count + 1

    def vary(self) -> bool | None:
        """Return whether steps differ by more than a tenth, rounding aside; None if unknown."""
        if not self._known or self._first is None or self._last is None or self._count < 3:
            return None
        mean = (self._last - self._first) / (self._count - 1)
        return self._most - self._least > max(2.0, mean / 10)
