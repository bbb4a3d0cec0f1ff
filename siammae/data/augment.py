"""Crop, resize and flip: numbers are drawn where clips are read, pixels are moved on the device.

The host only cuts the crop out. Resizing a whole batch is two batched matrix products with a matrix
for each sample, exact antialiased bicubic interpolation, so crops of any size go together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.data.loader import PairBatch

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as in MAE and in every evaluation of the field
STD = (0.229, 0.224, 0.225)


class Crop(NamedTuple):
    """A box in pixels and whether it is mirrored; the same for all frames of a pair."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


class PairAugment:
    """Random resized crop and horizontal flip, alike for past and future (paper, Table 4a).

    Args:
        size: side of the square result in pixels.
        crop_scale: share of the frame's area that a crop takes, uniform in this range; None takes
            the largest centred square.
        crop_ratio: width / height of a crop, log-uniform in this range.
        flip: probability of mirroring.
    """

    def __init__(
        self,
        size: int,
        crop_scale: Sequence[float] | None = (0.5, 1.0),
        crop_ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
    ):
        if crop_scale is not None and not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale {list(crop_scale)} must be [lo, hi], 0 < lo <= hi <= 1")
        if not 0 < crop_ratio[0] <= crop_ratio[1]:
            raise ValueError(f"crop_ratio {list(crop_ratio)} must be [lo, hi] with 0 < lo <= hi")
        if not 0 <= flip <= 1:
            raise ValueError(f"flip {flip} is no probability")
        self.size, self.crop_scale, self.crop_ratio, self.flip = size, crop_scale, crop_ratio, flip

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Crop:
        """The box for one pair out of frames of ``height`` x ``width`` pixels."""
        flip = bool(rng.random() < self.flip)
        if self.crop_scale is not None:
            for _ in range(10):  # as torchvision: a box that does not fit is drawn again
                area = height * width * rng.uniform(self.crop_scale[0], self.crop_scale[1])
                ratio = np.exp(rng.uniform(*np.log(self.crop_ratio)))
                w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
                if 0 < w <= width and 0 < h <= height:
                    top = int(rng.integers(0, height - h + 1))
                    left = int(rng.integers(0, width - w + 1))
                    return Crop(top, left, int(h), int(w), flip)
        side = min(height, width)
        return Crop((height - side) // 2, (width - side) // 2, side, side, flip)

    def apply(self, batch: "PairBatch") -> "Tensor":
        """Crops of a batch to normalised frames (B, T, 3, size, size), float32, on its device."""
        import torch

        b, t, height, width, _ = batch.frames.shape
        pixels = batch.frames.permute(0, 1, 4, 2, 3).reshape(b, t * 3, height, width).float()
        rows = resize_matrices(batch.size[:, 0], height, self.size)  # (B, size, height)
        columns = resize_matrices(batch.size[:, 1], width, self.size)
        columns = torch.where(batch.flip.view(-1, 1, 1), columns.flip(1), columns)
        resized = rows.unsqueeze(1) @ (pixels @ columns.transpose(1, 2).unsqueeze(1))
        resized = resized.clamp_(0, 255).view(b, t, 3, self.size, self.size)
        mean = torch.tensor(MEAN, device=resized.device).view(3, 1, 1)
        std = torch.tensor(STD, device=resized.device).view(3, 1, 1)
        return (resized / 255 - mean) / std


def resize_matrices(lengths: "Tensor", padded: int, size: int) -> "Tensor":
    """Matrices (B, size, padded) that resample the first ``lengths`` (B,) of ``padded`` pixels.

    Antialiased bicubic interpolation with a = -0.5, as PIL and torchvision: the kernel is widened
    by the factor of shrinking; what lies beyond the length has weight zero.
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
