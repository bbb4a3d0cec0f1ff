"""From decoded tokens to pixels, and what the restoration costs.

A head is an option of the ``uncertainty`` group: one that predicts a spread as well brings its
own cost.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from siammae.model.attention import initialise


class Prediction(NamedTuple):
    """What is predicted of one frame's H hidden patches, in their normalised pixels.

    mean: (B, H, P). spread: how the pixels are distributed around it, of batch shape (B, H, P) or
    (B, H, 1); None where nobody asked.
    """

    mean: Tensor
    spread: Distribution | None = None


class Head(nn.Module):
    """Base of the heads; ``decoder`` and ``inputs`` below are a decoder and what it is called with.

    decoders: how many decoders it reads, each with initial weights of its own.
    predicts_spread: whether the spread that it predicts is the model's, or the same everywhere.
    """

    decoders: int = 1
    predicts_spread: bool = False

    def forward(self, tokens: Tensor) -> Any:
        """(B, H, D) -> what is predicted of the hidden patches, a `Prediction`."""
        raise NotImplementedError

    def restore(self, decoder: nn.Module, *inputs: Any) -> Any:
        """What training sees: one pass through the decoder."""
        return self(decoder(*inputs))

    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        """What evaluation and pictures see: always with a spread."""
        return self.restore(decoder, *inputs)

    def cost(self, prediction: Any, target: Tensor) -> Tensor:
        """What each value of the target (B, H, P) costs, in float32; their mean is the loss."""
        raise NotImplementedError


class PixelMean(Head):
    """The paper's head: one linear layer to normalised pixels, squared error.

    Args:
        width: channels of the decoder's tokens.
        patch_size: side of a patch in pixels.
    """

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.pixels = nn.Linear(width, 3 * patch_size**2)
        initialise(self)

    def forward(self, tokens: Tensor) -> Prediction:
        """(B, H, D) -> predicted normalised pixels (B, H, 3 * p * p)."""
        return Prediction(self.pixels(tokens))

    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        """Around the mean the same spread everywhere: squared error is a normal of variance 1."""
        mean = self.restore(decoder, *inputs).mean.float()
        return Prediction(mean, Normal(mean, torch.ones_like(mean[..., :1]), validate_args=False))

    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        """The squared error of each value; its mean is the paper's loss."""
        return F.mse_loss(prediction.mean.float(), target.float(), reduction="none")
