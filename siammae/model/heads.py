"""From decoded tokens to pixels, and what the restoration costs.

A head is an option of the ``uncertainty`` group: one that predicts a spread as well brings its
own cost.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from siammae.model.attention import initialise


class Prediction(NamedTuple):
    """What is predicted of one frame's H hidden patches, in their normalised pixels.

    mean: (B, H, P). spread: how the pixels are distributed around it, of batch shape (B, H, P) or
    (B, H, 1); None where nobody asked. members: what it is the average of, if of several.
    """

    mean: Tensor
    spread: Distribution | None = None
    members: "tuple[Prediction, ...]" = ()


class Head(nn.Module):
    """Base of the heads; ``decoder`` and ``inputs`` below are a decoder and what it is called with.

    decoders: how many decoders it reads, each with initial weights of its own.
    predicts_spread: whether the spread that it predicts is the model's, or the same everywhere.
    """

    decoders: int = 1
    predicts_spread: bool = False

    def assemble(self, decoders: Sequence[nn.Module]) -> nn.Module:
        """Make one module of the decoders, as many as it reads: ``decoder`` of what follows.

        Raises:
            ValueError: when the head cannot read them.
        """
        (decoder,) = decoders
        return decoder

    def reset(self) -> None:
        """Draw the initial weights."""
        raise NotImplementedError

    def forward(self, tokens: Any) -> Any:
        """Tokens (B, H, D), of several decoders a list -> what is hidden, a `Prediction`."""
        raise NotImplementedError

    def restore(self, decoder: nn.Module, *inputs: Any) -> Any:
        """What training sees: one pass through the decoder."""
        return self(decoder(*inputs))

    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        """What evaluation and pictures see: always with a spread."""
        return self.restore(decoder, *inputs)

    def sparing(self, decoder: nn.Module) -> "tuple[Head, nn.Module]":
        """Head and decoder of the same weights, or of a part of them, that predict a spread at less
        cost, for whoever asks in every step."""
        return self, decoder

    def cost(self, prediction: Any, target: Tensor) -> Tensor:
        """What each value of the target (B, H, P) costs, in float32; their mean is the loss."""
        raise NotImplementedError

    def metrics(self, prediction: Any, target: Tensor) -> dict[str, Tensor]:
        """Scalars that are logged beside the loss, the same names at every step."""
        return {}


class PixelMean(Head):
    """The paper's head: one linear layer to normalised pixels, squared error.

    Args:
        width: channels of the decoder's tokens.
        patch_size: side of a patch in pixels.
    """

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.pixels = nn.Linear(width, 3 * patch_size**2)
        self.reset()

    def reset(self) -> None:
        """MAE's initial weights."""
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


def error_and_spread(prediction: Prediction, target: Tensor) -> dict[str, Tensor]:
    """The mean's squared error, and the mean predicted standard deviation where there is one.

    For heads whose loss is not that error: the losses of different heads cannot be compared.
    """
    with torch.no_grad():
        found = {"train/mse": F.mse_loss(prediction.mean.float(), target.float())}
        if prediction.spread is not None:
            found["train/sigma"] = prediction.spread.stddev.mean()
    return found
