"""Crops made ready by the reader: resized and mirrored in bytes, so that only those travel."""

from collections.abc import Sequence

import numpy as np


def resize_and_flip(crops: Sequence[np.ndarray], size: int, flip: bool) -> list[np.ndarray]:
    """Crops (h, w, 3) uint8 to ``size x size``, mirrored or not, by this process's processor.

    torchvision's antialiased bicubic interpolation of bytes (`torch.nn.functional.interpolate`,
    which its version 2 calls): rows, then columns, each rounded to a byte. `PairAugment.apply`
    computes the same kernel in floats and rounds nowhere.
    """
    import cv2

    alike = len({crop.shape for crop in crops}) == 1
    parts = [crops] if alike else [[crop] for crop in crops]
    resized = [frame for part in parts for frame in _together(part, size)]
    return [cv2.flip(frame, 1) for frame in resized] if flip else resized


def _together(crops: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Crops of one shape: (n, size, size, 3)."""
    import torch.nn.functional as F
    from torch import from_numpy

    stacked = from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    resized = F.interpolate(stacked, (size, size), mode="bicubic", antialias=True)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy())
