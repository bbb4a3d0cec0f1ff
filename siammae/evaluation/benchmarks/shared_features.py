"""One pass of the encoder for a frame that several benchmarks look at."""

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


class SharedFeatures:
    """A `FeatureExtractor` that remembers: the same pixels are encoded once.

    The pixels themselves are the key, so benchmarks need not agree on names, only on frames and
    input size. The frames used longest ago are forgotten when the memory is full.

    Args:
        features: of the encoder.
        capacity: bytes of features that are kept, in the host's memory.
    """

    def __init__(self, features: "FeatureExtractor", capacity: int):
        self.features, self.capacity = features, capacity
        self.patch_size: int = features.patch_size
        self.device: torch.device = features.device
        self.model, self.low = getattr(features, "model", None), getattr(features, "low", False)
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._size = 0

    def __call__(self, images: Tensor) -> Tensor:
        """See `FeatureExtractor`."""
        key = hashlib.blake2b(images.cpu().contiguous().numpy().tobytes()).digest()
        key += repr(tuple(images.shape)).encode()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key].to(self.device)
        made = self.features(images)
        self._keep(key, made.cpu())
        return made

    def _keep(self, key: bytes, made: Tensor) -> None:
        self._kept[key] = made
        self._size += made.numel() * made.element_size()
        while self._size > self.capacity:
            _, old = self._kept.popitem(last=False)
            self._size -= old.numel() * old.element_size()
