"""Patch features of whole images, from any encoder, and a memory of them."""

import hashlib
from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.system.errors import DataError


class FeatureExtractor(Protocol):
    """What a benchmark needs of an encoder: features of images, and the size of its patches."""

    patch_size: int
    device: torch.device

    def __call__(self, images: Tensor, by_scale: bool = False) -> Tensor:
        """Return features (B, N, D) of normalised images (B, 3, H, W), sides whole patches.

        Args:
            images: any number of them.
            by_scale: positions are resized as DINO does; see `siammae.model.positions`.
        """


class EncoderFeatures(FeatureExtractor):
    """Extracts features of a module with ``features(images)`` and ``patch_size``, in float32.

    Args:
        encoder: the module; put into evaluation mode by the caller.
        device: where it stands.
        precision: ``fp32``, or ``bf16`` for autocast.
        model: the whole model that the encoder is of, for benchmarks that need it; like it.
    """

    def __init__(
        self,
        encoder: nn.Module,
        device: torch.device,
        precision: str = "fp32",
        model: nn.Module | None = None,
    ):
        if precision not in ("fp32", "bf16"):
            raise ValueError(f"precision '{precision}' is neither 'fp32' nor 'bf16'")
        self.encoder, self.device, self.low = encoder, device, precision == "bf16"
        self.model = model
        self.patch_size: int = encoder.patch_size  # type: ignore[assignment]

    @override
    def __call__(self, images: Tensor, by_scale: bool = False) -> Tensor:
        """Return features (B, N, D) of normalised images (B, 3, H, W), sides whole patches.

        Raises:
            DataError: when features are NaN or infinite: nothing can be ranked by them.
        """
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.low)
        with torch.inference_mode(), autocast:
            given = {"by_scale": True} if by_scale else {}
            features: Tensor = self.encoder.features(images.to(self.device), **given)  # type: ignore[operator]
        features = features.float()
        if not features.isfinite().all():
            raise DataError("the encoder's features are NaN or infinite")
        return features


class SharedFeatures(FeatureExtractor):
    """A `FeatureExtractor` with a memory: the same pixels are encoded once.

    The pixels themselves are the key, so benchmarks need not agree on names, only on frames and
    input size. The frames used longest ago are forgotten when the memory is full.

    Args:
        features: of the encoder.
        capacity: bytes of features that are kept, in the host's memory.
    """

    def __init__(self, features: FeatureExtractor, capacity: int):
        self.features, self.capacity = features, capacity
        self.patch_size: int = features.patch_size
        self.device: torch.device = features.device
        self.model, self.low = getattr(features, "model", None), getattr(features, "low", False)
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._size = 0

    @override
    def __call__(self, images: Tensor, by_scale: bool = False) -> Tensor:
        key = hashlib.blake2b(images.cpu().contiguous().numpy().tobytes()).digest()
        key += repr((*images.shape, by_scale)).encode()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key].to(self.device)
        made = self.features(images, by_scale=True) if by_scale else self.features(images)
        self._keep(key, made.cpu())
        return made

    def _keep(self, key: bytes, made: Tensor) -> None:
        self._kept[key] = made
        self._size += made.numel() * made.element_size()
        while self._size > self.capacity:
            _, old = self._kept.popitem(last=False)
            self._size -= old.numel() * old.element_size()
