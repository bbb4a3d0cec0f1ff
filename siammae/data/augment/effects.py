"""Blur and solarisation of views: drawn where clips are read, computed on the device."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def draw_effects(
    rng: np.random.Generator, blur: float, sigma: Sequence[float], solarise: float
) -> np.ndarray:
    """Draw the effects of one view: sigma of its blur, or 0, and 1 where it is solarised."""
    width = rng.uniform(sigma[0], sigma[1])
    blurred, solarised = rng.random(2) < (blur, solarise)
    return np.array([width * blurred, solarised], np.float32)


def apply_effects(images: "Tensor", effects: "Tensor", blurs: bool = True) -> "Tensor":
    """Blur and solarise images (B, T, 3, H, W) in 0..1 by their ``effects`` (B, T, 2).

    ``blurs``: whether any of them may be blurred; to ask the effects would be to wait for the
    device. Solarisation inverts what is at least 0.5, as PIL's does from 128 on.
    """
    import torch

    blurred = images
    if blurs:
        blurred = _blur(images.flatten(0, 1), effects[..., 0].flatten()).view_as(images)
    solarised = effects[..., 1].bool().view(*effects.shape[:2], 1, 1, 1)
    return torch.where(solarised & (blurred >= 0.5), 1 - blurred, blurred)


def _blur(images: "Tensor", sigma: "Tensor") -> "Tensor":
    """Convolve images (N, C, H, W) with Gaussians of ``sigma`` (N,), of which 0 changes nothing.

    The kernel reaches over a tenth of the side, as SimCLR's; frames are reflected at their edges.
    """
    import torch
    import torch.nn.functional as F

    reach = max(1, images.shape[-1] // 20)
    place = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (place / sigma.clamp(min=1e-3).unsqueeze(1)) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)  # (N, 2 * reach + 1)
    padded = F.pad(images, (reach,) * 4, mode="reflect").transpose(0, 1)  # (C, N, H, W)
    count = len(images)
    rows = F.conv2d(padded, kernel.view(count, 1, -1, 1), groups=count)
    return F.conv2d(rows, kernel.view(count, 1, 1, -1), groups=count).transpose(0, 1)
