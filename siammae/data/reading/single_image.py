"""An image file as a clip of one frame, whatever its form and colours."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.data.reading.checked_image import decoding, problem_of_png, read_bytes
from siammae.data.reading.clip import Clip
from siammae.data.reading.image_folder import JPEG, quick_jpeg
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow knows more, some of which start programs (EPS), and files may come from anywhere.
FORMS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "PPM", "GIF", "TIFF")
MOST_PIXELS = 89_478_485  # Pillow warns of more: a small file may ask for all memory
ORIENTATION = 0x0112  # EXIF's note on how a camera was held


class SingleImage(Clip):
    """An image file as a `Clip`. It is opened when its frame is read, once."""

    def __init__(self, path: Path):
        self.path = path
        self.frames, self.fps, self.step = 1, None, 1

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return read_upright(self.path)[None][list(indices)]


def read_upright(path: Path) -> np.ndarray:
    """Return the pixels of an image (H, W, 3) uint8, RGB, turned as its EXIF data ask.

    Grey values count for all colours, of 16 bits the upper eight. Transparency is dropped.

    Raises:
        DataError: when it is missing or damaged, of a PNG by its checksums too, holds several
            frames, or more pixels than `MOST_PIXELS`.
    """
    data = read_bytes(path)
    if data.startswith(JPEG):
        _refuse_huge_jpeg(path, data)
        pixels = quick_jpeg(data)
        if pixels is not None:
            return turned(pixels, _orientation_of_jpeg(path, data))
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with decoding(path, data, FORMS) as image:
            # A camera's MPO holds the same picture for two eyes, or in several sizes.
            if getattr(image, "is_animated", False) and image.format != "MPO":
                count = getattr(image, "n_frames", "several")
                raise DataError(f"{path} holds {count} frames; a single image is needed")
            if problem := problem_of_png(data):
                raise DataError(f"{path} cannot be read as an image: {problem}")
            return turned(_rgb(path, image), _orientation(image))


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels (H, W, 3) as an EXIF orientation says: 1 to 8, all others as 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _refuse_huge_jpeg(path: Path, data: bytes) -> None:
    import simplejpeg

    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # Pillow says what is wrong
        return
    if height * width > MOST_PIXELS:
        raise DataError(
            f"{path} cannot be read as an image: it has {width}x{height} pixels, more than "
            f"{MOST_PIXELS:,}"
        )


def _orientation_of_jpeg(path: Path, data: bytes) -> int:
    """Return the note in the header; only for a file with one Pillow opens it once more."""
    if b"Exif\0\0" in data:
        with suppress(DataError), decoding(path, data, FORMS) as image:
            return _orientation(image)
    return 1


def _orientation(image: "Image") -> int:
    """Return the note; a damaged one says nothing, and does not spoil the pixels."""
    try:
        found: Any = image.getexif().get(ORIENTATION, 1)
    except Exception:  # as many kinds as of damaged pixels
        return 1
    return found if isinstance(found, int) else 1


def _rgb(path: Path, image: "Image") -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of an opened image."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64).clip(0, 0xFFFF) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise DataError(f"{path} has real numbers as values; integers of 8 or 16 bits are needed")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # of which Pillow would warn otherwise
    return np.array(image.convert("RGB"))
