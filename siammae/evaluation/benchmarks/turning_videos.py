"""A video that turns: frame t and its true labels by t times so many degrees, about the centre.

The size stays. What comes in from beyond the edge is the frame reflected, and so are its labels: an
object at the edge is one with its mirror image, in the truth as in the frame.
"""

from math import isfinite

import numpy as np


def check_rotation(degrees: float) -> float:
    """Degrees a frame that make sense.

    Raises:
        ValueError: for any other.
    """
    if not (isfinite(degrees) and abs(degrees) <= 180):
        raise ValueError(f"rotation={degrees}: degrees a frame, within -180 to 180")
    return degrees


def turn_frame(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Pixels (3, H, W) uint8, turned counter-clockwise; bicubic."""
    import cv2

    turned = _turn(np.ascontiguousarray(pixels.transpose(1, 2, 0)), degrees, cv2.INTER_CUBIC)
    return np.ascontiguousarray(turned.transpose(2, 0, 1))


def turn_ids(ids: np.ndarray, degrees: float) -> np.ndarray:
    """Ids (H, W), turned counter-clockwise; by nearest neighbour."""
    import cv2

    return _turn(ids, degrees, cv2.INTER_NEAREST)


def _turn(picture: np.ndarray, degrees: float, way: int) -> np.ndarray:
    import cv2

    if degrees % 360 == 0:
        return picture
    height, width = picture.shape[:2]
    about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(picture, about, (width, height), flags=way, borderMode=cv2.BORDER_REFLECT)
