"""Opening a video file for reading any of its frames, and the right ones."""

from pathlib import Path

from siammae.data.reading.clip import Clip
from siammae.data.reading.exact_clip import ExactClip
from siammae.system.errors import DataError


def open_clip(path: Path | str) -> Clip:
    """Open a video file; frame k of it is frame k of decoding from the start.

    The content decides how it is read, and not the name.

    Args:
        path: path of the file.

    Raises:
        DataError: when the file is missing, is no video, or has fewer than two whole frames.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    clip = ExactClip(path)
    if clip.frames < 2:
        raise DataError(f"{path} has {clip.frames} frame(s); a pair needs two")
    return clip
