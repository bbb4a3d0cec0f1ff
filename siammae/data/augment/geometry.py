"""Parts of frames, and how they are resized.

On the device a batch is resized by matrices, so that crops of any size go together. On the host
each crop is resized by itself, in bytes, so that only the result travels to the device.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class Box(NamedTuple):
    """A rectangle in a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """Return this part of a frame (H, W, 3) as a view."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]


def resize_matrices(lengths: "Tensor", padded: int, size: int) -> "Tensor":
    """Return matrices (B, size, padded) that resize the first ``lengths`` (B,) of padded pixels.

    They compute antialiased bicubic interpolation with a = -0.5, as PIL and torchvision do: the
    kernel is widened by the factor of shrinking. Pixels beyond the length have weight zero.
    """
    import torch

    scale = (lengths.float() / size).view(-1, 1, 1)
    centre = (torch.arange(size, device=lengths.device).view(1, -1, 1) + 0.5) * scale
    pixel = torch.arange(padded, device=lengths.device).view(1, 1, -1)
    distance = ((pixel + 0.5 - centre) / scale.clamp(min=1)).abs()
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
    weights = weights * (pixel < lengths.view(-1, 1, 1))
    return weights / weights.sum(dim=-1, keepdim=True)


def resize_and_flip(
    crops: Sequence[np.ndarray], size: int, flip: Sequence[bool] | np.ndarray
) -> list[np.ndarray]:
    """Resize crops (h, w, 3) uint8 to ``size x size`` on the host, and mirror those that are to be.

    This is torchvision's antialiased bicubic interpolation of bytes (its version 2 calls
    `torch.nn.functional.interpolate`): rows first, then columns, each rounded to a byte.
    `PairAugment.apply` computes the same kernel in floats and rounds nowhere.
    """
    import cv2

    alike = len({crop.shape for crop in crops}) == 1
    groups = [crops] if alike else [[crop] for crop in crops]
    resized = [frame for group in groups for frame in _resize_together(group, size)]
    pairs = zip(resized, flip, strict=True)
    return [cv2.flip(frame, 1) if mirrored else frame for frame, mirrored in pairs]


def _resize_together(crops: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Resize crops of one shape; returns (n, size, size, 3)."""
    import torch.nn.functional as F
    from torch import from_numpy

    stacked = from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    resized = F.interpolate(stacked, (size, size), mode="bicubic", antialias=True)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy())
