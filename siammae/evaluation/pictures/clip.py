"""Choosing and reading a few frames of a video for pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siammae.data.reading.clip import Clip
from siammae.data.reading.video import open_clip
from siammae.system.errors import DataError

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


def few_frames(
    video: Path | Clip | Sequence[Path], frames: int, every: int, start: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Read pixels (T, H, W, 3) uint8, and a name of each frame: its file's, or its number.

    Args:
        video: a video file, opened or not, a folder of images, or image files in order.
        frames: T, or fewer when the video ends before.
        every: number of frames from one to the next, or fewer when the video is shorter than that.
        start: number of the first, from 0.

    Raises:
        DataError: when there are fewer than two such frames, or one cannot be read or differs in
            size.
    """
    if isinstance(video, Path) and not video.is_dir():
        return _of_clip(open_clip(video), str(video), frames, every, start)
    if isinstance(video, Clip):
        return _of_clip(video, "the clip", frames, every, start)
    paths = _images(video) if isinstance(video, Path) else list(video)
    wanted = [paths[number] for number in _wanted(len(paths), frames, every, start)]
    _need_two(len(wanted), len(paths), video if isinstance(video, Path) else paths[0].parent, start)
    return _of_images(wanted), [path.stem for path in wanted]


def _of_clip(
    clip: Clip, name: str, frames: int, every: int, start: int
) -> tuple[np.ndarray, list[str]]:
    wanted = list(_wanted(clip.frames, frames, every, start))
    _need_two(len(wanted), clip.frames, name, start)
    return clip.read(wanted), [str(number) for number in wanted]


def _wanted(there: int, frames: int, every: int, start: int) -> range:
    step = max(1, min(every, there - 1 - start))
    return range(start, there, step)[:frames]


def _of_images(paths: list[Path]) -> np.ndarray:
    from siammae.evaluation.propagation.sequence import read_frame

    pixels = [read_frame(path).transpose(1, 2, 0) for path in paths]
    for path, image in zip(paths, pixels, strict=True):
        if image.shape != pixels[0].shape:
            raise DataError(
                f"{path} and {paths[0].name} differ in size: {image.shape[:2]} and "
                f"{pixels[0].shape[:2]} (height, width)"
            )
    return np.stack(pixels)


def _images(folder: Path) -> list[Path]:
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and p.name[0] != "."]
    return sorted(found)


def _need_two(got: int, there: int, video: Path | str, start: int) -> None:
    if got < 2:
        raise DataError(
            f"{video} has {there} frame(s), {got} of them from start={start} on; pictures need two"
        )
