"""Antialiased bicubic interpolation as a matrix: pictures of any size are resized together."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
