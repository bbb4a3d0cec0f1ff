"""Patch features of whole images, from any encoder."""

from typing import Protocol

import torch
from torch import Tensor, nn


class FeatureExtractor(Protocol):
    """What a benchmark needs of an encoder."""

    patch_size: int
    device: torch.device

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised, sides multiples of the patch, to (B, N, D)."""


class EncoderFeatures:
    """Features of a module with ``features(images)`` and ``patch_size``, in float32.

    Args:
        encoder: the module; put into evaluation mode by the caller.
        device: where it stands.
    """

    def __init__(self, encoder: nn.Module, device: torch.device):
        self.encoder, self.device = encoder, device
        self.patch_size: int = encoder.patch_size  # type: ignore[assignment]

    def __call__(self, images: Tensor) -> Tensor:
        """See `FeatureExtractor`."""
        with torch.inference_mode():
            return self.encoder.features(images.to(self.device))  # type: ignore[operator]
