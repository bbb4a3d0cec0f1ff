"""A folder of images that is read as a clip."""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePath

import numpy as np

from siammae.data.reading.checked_image import problem_of_png, read_bytes
from siammae.data.reading.clip import Clip
from siammae.system.errors import DataError

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm"})
JPEG = b"\xff\xd8"  # begins such a file
EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})


class ImageClip(Clip):
    """The images of a folder in the order of their numbers, as a `Clip`.

    Its frames are the images that are there. A gap in their numbers does not count, since data sets
    number images by the frames of the source video, of which they keep every n-th (VSPW), or start
    anywhere. An empty file (0 bytes), however, is a frame that got lost: the frames on both sides
    of it are not neighbours, so the clip is the longest run of images without one. A note in an
    image's EXIF data on how to turn it is ignored, as video files have none.

    Args:
        folder: folder of the images.
        fps: images per second; None when unknown.

    Raises:
        DataError: when there is no such folder, it does not hold two images in a row, or two of its
            images have the same number.
    """

    def __init__(self, folder: Path, fps: float | None = None):
        self.folder, self.fps, self.step = folder, fps, 1
        self.names = images_of(folder)
        self.frames = len(self.names)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Return frames at ``indices`` (n, H, W, 3) uint8, RGB.

        Raises:
            DataError: naming an image that cannot be decoded, or two that differ in size.
        """
        paths = [self.folder / self.names[index] for index in indices]
        frames = [read_image(path) for path in paths]
        for path, frame in zip(paths, frames, strict=True):
            if frame.shape != frames[0].shape:
                sizes = [f"{w}x{h}" for h, w, _ in (frame.shape, frames[0].shape)]
                raise DataError(
                    f"{path} has {sizes[0]} pixels and {paths[0]} {sizes[1]}; frames of one clip "
                    "have one size"
                )
        return np.stack(frames)


def is_image(name: str) -> bool:
    """Return whether a name is an image's by its ending; hidden ones (``._0001.jpg``) are none."""
    return not name.startswith(".") and PurePath(name).suffix.lower() in IMAGES


@lru_cache(maxsize=256)  # long folders are listed at every visit otherwise
def images_of(folder: Path) -> tuple[str, ...]:
    """Return the names of a clip's images in their order; see `ImageClip`."""
    sizes = image_sizes(folder)
    names = sorted(sizes, key=in_order)
    stems = [in_order(name)[0] for name in names]
    for i, (one, other) in enumerate(pairwise(stems)):
        if one == other:
            raise DataError(f"{folder} has {names[i]} and {names[i + 1]}, one frame twice")
    whole = _longest_whole(names, sizes)
    if len(whole) < 2:
        empty = [name for name in names if not sizes[name]]
        more = f" and {len(empty)} empty file(s), such as {empty[0]}" if empty else ""
        raise DataError(f"{folder} holds {len(whole)} image(s) in a row{more}; a pair needs two")
    return whole


def image_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each image of a folder, by name.

    Raises:
        DataError: when it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return {e.name: e.stat().st_size for e in entries if is_image(e.name) and e.is_file()}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def in_order(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Return a key that sorts names by the numbers in them: 9 comes before 10 and before 010."""
    parts = re.split(r"([0-9]+)", PurePath(name).stem)
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in parts if part], name


def _longest_whole(names: list[str], sizes: dict[str, int]) -> tuple[str, ...]:
    """Return the first of the longest runs of names without an empty file."""
    runs: list[list[str]] = [[]]
    for name in names:
        if sizes[name]:
            runs[-1].append(name)
        else:
            runs.append([])
    longest = max(len(run) for run in runs)
    return tuple(next(run for run in runs if len(run) == longest))


def read_image(path: Path) -> np.ndarray:
    """Return the pixels of an image (H, W, 3) uint8, RGB.

    Raises:
        DataError: when the file is missing, damaged (of a PNG its checksums say so), or has more
            than 8 bits a value.
    """
    data = read_bytes(path)
    pixels = quick_jpeg(data)
    return _read_slowly(path, data) if pixels is None else pixels


def quick_jpeg(data: bytes) -> np.ndarray | None:
    """Return the pixels (H, W, 3) of a JPEG, whatever its name says.

    None for another form, for CMYK and for damage, which are left to Pillow.
    """
    if not data.startswith(JPEG):
        return None
    import simplejpeg

    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None


def _read_slowly(path: Path, data: bytes) -> np.ndarray:
    """Decode with Pillow, which refuses a file that is cut short where others fill it up."""
    import io

    from PIL import Image

    if problem := problem_of_png(data):
        raise DataError(f"{path} cannot be decoded: {problem}")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in EIGHT_BIT:
                raise DataError(f"{path} has mode {image.mode}; a frame has 8 bits a value")
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded: {error}") from None
