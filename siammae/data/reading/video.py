"""Reading frames of video files, and the right ones.

decord reads after a seek, which is fast, and gives wrong frames for some files without saying so
(measured with 0.6.0 on AVI, MPEG program and transport streams and 4:4:4 H.264). Such files, and
those that it cannot open (AV1), are decoded by PyAV from their start, which is always right. The
choice needs the file's header only. Without decord PyAV reads all files. Ordinary H.264 files give
the same pixels either way and are read by a faster reader, see `h264_seek`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from typing_extensions import override

from siammae.data.reading.h264_seek import SkippingClip, possible_rate
from siammae.system.errors import DataError

# Containers in which decord's seeks were right on every file tried.
SEEKABLE = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
# Containers promise up to two frames more than there are, and decord then repeats another frame.
UNSURE_FRAMES = 2
CHUNK = 16  # frames that are decoded at a time where a whole clip is read


@runtime_checkable
class Clip(Protocol):
    """An opened video.

    frames: number of frames that can be asked for.
    fps: frames per second of the video; None where it does not say.
    step: how many frames of the video lie from one of these frames to the next.
    """

    frames: int
    fps: float | None
    step: int

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Return frames at ascending ``indices``: (n, H, W, 3) uint8, RGB."""


@dataclass(frozen=True)
class Judged:
    """What an audit has found about a file, see `siammae.data.auditing`.

    reader: ``decord`` or ``pyav``. frames: number of frames that it reads rightly.
    fps: frames per second of the video; None when unknown.
    """

    reader: str
    frames: int
    fps: float | None


def open_clip(path: Path, judged: Judged | None = None) -> Clip:
    """Open a video for reading pairs of its frames.

    Args:
        path: the file.
        judged: what an audit has found; without it the file's header decides how it is read.

    Raises:
        DataError: when the file is missing, is no video, or has fewer than two frames.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    clip: Clip | None = None
    if judged.reader == "decord" if judged else path.suffix.lower() in SEEKABLE:
        clip = _PlainClip.open(path, judged)
    if clip is None:
        clip = _open_any(path, judged)
    if clip.frames < 2:
        raise DataError(f"{path} has {clip.frames} frame(s); a pair needs two")
    return clip


def _open_any(path: Path, judged: Judged | None) -> Clip:
    """Open a file with decord where it reads rightly, else with PyAV."""
    decord = find_decord()
    clip: Clip | None = None
    if decord is not None and (judged.reader == "decord" if judged else decord_seeks_right(path)):
        clip = _DecordClip.open(decord, path, judged)
    return _StraightClip(path, judged) if clip is None else clip


class _PlainClip(Clip):
    """An ordinary H.264 file; a frame that cannot be decoded is read by another reader."""

    step = 1

    def __init__(self, clip: SkippingClip, path: Path, judged: Judged | None):
        self.clip, self.path, self.judged = clip, path, judged
        self.frames = judged.frames if judged else clip.frames
        self.fps = judged.fps if judged else clip.fps

    @classmethod
    def open(cls, path: Path, judged: Judged | None) -> "_PlainClip | None":
        """Open a file; None when it is of another kind, or not the file that was judged."""
        clip = SkippingClip.open(path, UNSURE_FRAMES)
        if clip is None or (judged is not None and judged.frames > len(clip.packets)):
            return None
        return cls(clip, path, judged)

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        try:
            return self.clip.read(indices)
        except DataError:
            return _open_any(self.path, self.judged).read(indices)

    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield frames at ascending ``indices`` one by one; see the function `in_order`."""
        done = 0
        try:
            for frame in self.clip.in_order(indices):
                yield frame
                done += 1
        except DataError:
            yield from in_order(_open_any(self.path, self.judged), indices[done:])


def in_order(clip: Clip, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield frames at ascending ``indices`` one by one, those of `Clip.read`; few are held at once.

    Clips that are decoded from their start have a method of this name, since they would start again
    for each part of the indices.
    """
    straight = getattr(clip, "in_order", None)
    if straight is not None:
        yield from straight(indices)
        return
    for first in range(0, len(indices), CHUNK):
        yield from clip.read(indices[first : first + CHUNK])


class _DecordClip(Clip):
    """A clip that decord reads after seeks, both frames of a pair in one call."""

    def __init__(self, reader: Any, path: Path, judged: Judged | None = None):
        self.reader, self.path = reader, path
        self.frames = max(len(reader) - UNSURE_FRAMES, min(len(reader), 2))
        self.fps, self.step = possible_rate(reader.get_avg_fps()), 1
        if judged is not None:
            self.frames, self.fps = judged.frames, judged.fps

    @classmethod
    def open(
        cls, decord: ModuleType, path: Path, judged: Judged | None = None
    ) -> "_DecordClip | None":
        """Open a file; None when decord cannot, in which case PyAV may."""
        try:
            return cls(decord.VideoReader(str(path), num_threads=1), path, judged)
        except (decord.DECORDError, RuntimeError):
            return None

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        try:
            return self.reader.get_batch(list(indices)).asnumpy()
        except Exception:  # two unrelated kinds; for one, narrow frames whose rows are padded
            return _read_straight(self.path, indices)


class _StraightClip(Clip):
    """A clip decoded from its first frame on: slow, and right for all that FFmpeg can decode."""

    def __init__(self, path: Path, judged: Judged | None = None):
        self.path, self.step = path, 1
        if judged is None:
            status = path.stat()
            self.frames, self.fps = _count_frames(path, status.st_size, status.st_mtime_ns)
        else:
            self.frames, self.fps = judged.frames, judged.fps

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return _read_straight(self.path, indices)

    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield frames at ascending ``indices`` one by one; see the function `in_order`."""
        return _straight(self.path, indices)


def _read_straight(path: Path, indices: Sequence[int]) -> np.ndarray:
    """Return frames (n, H, W, 3) of a file, which is decoded up to the last of them."""
    wanted = sorted(set(indices))
    found = dict(zip(wanted, _straight(path, wanted), strict=True))
    return np.stack([found[index] for index in indices])


def _straight(path: Path, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield frames at ascending, different ``indices`` of a file decoded up to the last of them."""
    place = 0
    for index, frame in enumerate(_decode(path) if indices else ()):
        if index == indices[place]:
            yield upright(frame)
            place += 1
            if place == len(indices):
                return
    if indices:
        raise DataError(f"{path} ends before frame {indices[-1]}")


def _decode(path: Path) -> Any:
    """Yield all frames of the video stream in order of display."""
    import av

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            yield from container.decode(video_stream(container, path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be decoded: {error}") from None


def video_stream(container: Any, path: Path) -> Any:
    """Return the video stream that FFmpeg calls the best, which decord takes too.

    There may be several, or a picture of a cover.

    Raises:
        DataError: when there is none.
    """
    stream = container.streams.best("video")
    if stream is None:
        raise DataError(f"{path} has no video stream")
    return stream


@lru_cache(maxsize=100_000)
def _count_frames(path: Path, size: int, modified: int) -> tuple[int, float | None]:
    """Return how many frames can be decoded, as headers are often wrong, and their rate."""
    return sum(1 for _ in _decode(path)), _header_rate(path)


def _header_rate(path: Path) -> float | None:
    import av

    with av.open(str(path), metadata_errors="ignore") as container:
        return possible_rate(video_stream(container, path).average_rate)


def upright(frame: Any) -> np.ndarray:
    """Return RGB pixels (H, W, 3), turned as the file's metadata asks; decord does so by itself."""
    pixels = frame.to_ndarray(format="rgb24")
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters))


@lru_cache(maxsize=1)
def find_decord() -> ModuleType | None:
    """Return the module decord, silenced; None where it is not installed."""
    try:
        import decord
    except ImportError:  # no wheel for this machine
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def decord_seeks_right(path: Path) -> bool:
    """Return whether decord is expected to seek rightly, by container and pixel format."""
    if path.suffix.lower() not in SEEKABLE:
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return _has_usual_pixels(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _has_usual_pixels(path: str, size: int, modified: int) -> bool:
    """Return whether no video stream has full colour resolution, as far as the header says."""
    import av

    try:
        with av.open(path, metadata_errors="ignore") as container:
            formats = [stream.codec_context.format for stream in container.streams.video]
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return bool(formats) and all(f is not None and "444" not in f.name for f in formats)
