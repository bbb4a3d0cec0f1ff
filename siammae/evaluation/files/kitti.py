"""KITTI's label images: panoptic maps (STEP), 16-bit instances (MOTS) and flow (2015)."""

from pathlib import Path

import numpy as np

from siammae.data.reading.checked_image import opened, read_checked
from siammae.system.errors import DataError

SEQUENCES = 21  # of KITTI tracking's training part, which STEP and MOTS annotate
VAL = ("0002", "0006", "0007", "0008", "0010", "0013", "0014", "0016", "0018")  # of both
TRAIN = tuple(name for name in (f"{n:04d}" for n in range(SEQUENCES)) if name not in VAL)
INSTANCES = 1 << 16  # a panoptic id is class * INSTANCES + instance


def read_panoptic(path: Path) -> np.ndarray:
    """Read ids (H, W) int32 of a KITTI-STEP map: class * `INSTANCES` + instance, 0 for no instance.

    The PNG's red is the class, green and blue are the instance's high and low byte.

    Raises:
        DataError: when it is no RGB image that can be read.
    """
    red, green, blue = np.moveaxis(_read(path, ("RGB",), "a KITTI-STEP map is RGB"), -1, 0)
    return (red.astype(np.int32) << 16) | (green.astype(np.int32) << 8) | blue


def read_instances(path: Path) -> np.ndarray:
    """Read ids (H, W) int32 of a KITTI-MOTS map: class * 1000 + instance, 0 background.

    10000 marks pixels to be ignored.

    Raises:
        DataError: when it is no 16-bit grey PNG that can be read.
    """
    modes = ("I;16", "I;16B", "I")
    return _read(path, modes, "a KITTI-MOTS map is a 16-bit grey PNG").astype(np.int32)


def read_flow(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read flow (H, W, 2) float32 in pixels, right and down, and where it is known (H, W) bool.

    The file is a PNG of three 16-bit channels: both components times 64 plus 32768, and whether
    they are known.

    Raises:
        DataError: when it is not such an image, or cannot be read.
    """
    import cv2

    data = np.frombuffer(read_checked(path, is_png=True), np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # Pillow makes 8 bits of such a file
    except cv2.error:  # larger than it takes
        image = None
    if image is None:
        raise DataError(f"{path} cannot be read as an image")
    if image.dtype != np.uint16 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"{path} is {image.dtype} of shape {image.shape}: KITTI's flow is a PNG of three "
            "16-bit channels"
        )
    valid, down, right = np.moveaxis(image, -1, 0)  # OpenCV turns RGB round
    flow = np.stack((right, down), axis=-1).astype(np.float32)
    return (flow - 32768) / 64, valid > 0


def _read(path: Path, modes: tuple[str, ...], wanted: str) -> np.ndarray:
    with opened(path, is_png=True) as image:
        if image.mode not in modes:
            raise DataError(f"{path} has mode {image.mode}: {wanted}; a copy has lost the ids")
        return np.asarray(image)
