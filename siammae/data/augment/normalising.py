"""Normalisation of pixels by ImageNet's mean and standard deviation, as in MAE."""

from functools import cache

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as in MAE and in every evaluation of the field
STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """Normalise images (..., 3, H, W) in 0..1."""
    mean, deviation = _statistics(images.device)
    return (images - mean) / deviation


def denormalise(images: Tensor) -> Tensor:
    """Undo `normalise`: return images (..., 3, H, W) in 0..1, for pictures."""
    mean, deviation = _statistics(images.device)
    return (images * deviation + mean).clamp(0, 1)


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and deviation, (3, 1, 1), copied once: a copy waits for the device."""
    mean, deviation = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, STD))
    return mean, deviation
