"""Opening a video with PyAV, and its frames as upright pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from siammae.system.errors import DataError


def failures() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that PyAV raises for a file that it cannot read."""
    import av

    return av.error.FFmpegError, OSError, ValueError


def open_container(path: Path) -> tuple[Any, Any]:
    """Return the container of a file and its video stream; FFmpeg knows the format by the content.

    The stream is the one that FFmpeg calls the best. There may be several, or a picture of a cover.
    A process decodes with one thread: the cores are shared out by processes.

    Raises:
        DataError: when it is no video.
    """
    import av

    try:
        container = av.open(str(path), metadata_errors="ignore")
    except failures() as error:
        raise DataError(f"{path} cannot be opened as a video: {reason_of(error)}") from None
    stream = container.streams.best("video")
    if stream is None or stream.codec_context is None:
        container.close()
        raise DataError(f"{path} has no video stream that FFmpeg can decode")
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    return container, stream


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file as `open_container` does, and close it."""
    container, stream = open_container(path)
    with container:
        yield container, stream


def straight(path: Path) -> Iterator[Any]:
    """Yield all frames of a file in order of presentation: what any other read must give.

    Raises:
        DataError: when there is no video, or where decoding breaks.
    """
    with opened(path) as (container, stream):
        try:
            yield from container.decode(stream)
        except failures() as error:
            raise DataError(f"{path} cannot be decoded: {reason_of(error)}") from None


def reason_of(error: Exception) -> str:
    """Return the first line of FFmpeg's message, without the file's name."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]


def possible_rate(rate: Any) -> float | None:
    """Return a header's frames per second, or None when they cannot be true."""
    return float(rate) if rate and 0 < rate < 1000 else None


def upright(frame: Any) -> np.ndarray:
    """Return RGB pixels (H, W, 3), turned and mirrored as the file's metadata asks."""
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # The first two rows of the matrix are (a, b, u) and (c, d, v): a pixel at (x, y) is shown at
    # (a x + c y, b x + d y), see ISO 14496-12 8.2.2.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def turn_of(frame: Any) -> int:
    """Return the turn that `upright` undoes, in degrees counter-clockwise: 0, 90, 180 or 270."""
    return round(getattr(frame, "rotation", 0) / 90) % 4 * 90
