"""Heads: from decoded tokens to pixels, and what errors cost.

A head is an option of the ``uncertainty`` group: one that also predicts how far off its pixels may
be has a loss of its own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal
from typing_extensions import override

from siammae.model.layers import initialise


class Prediction(NamedTuple):
    """A prediction of one frame's H hidden patches, in their normalised pixels.

    Attributes:
        mean: (B, H, P).
        spread: the distribution of the pixels around the mean, of batch shape (B, H, P) or
            (B, H, 1); None in training, unless the loss needs it.
        members: of an ensemble, the predictions of which this is the mixture.
        visible: the same of the V visible patches, where they count in the loss.
    """

    mean: Tensor
    spread: Distribution | None = None
    members: "tuple[Prediction, ...]" = ()
    visible: "Prediction | None" = None


class Head(nn.Module):
    """Base of the heads.

    ``decoder`` and ``inputs`` below are what `assemble` returned and what it is called with, the
    fields of a `Latent`.

    Attributes:
        decoders: number of decoders that the head reads, each with initial weights of its own.
        predicts_spread: whether the model predicts the spread, or it is the same everywhere.
        passes: number of passes through the decoder that a prediction with its spread takes.
    """

    decoders: int = 1
    predicts_spread: bool = False
    passes: int = 1

    def assemble(self, decoders: Sequence[nn.Module]) -> nn.Module:
        """Make one module of as many decoders as the head reads.

        Raises:
            ValueError: when the head cannot read them.
        """
        (decoder,) = decoders
        return decoder

    def reset(self) -> None:
        """Draw the initial weights."""
        raise NotImplementedError

    def forward(self, tokens: Any) -> Any:
        """Turn decoded tokens (B, H, D), a list for several decoders, into a `Prediction`."""
        raise NotImplementedError

    def restore(self, decoder: nn.Module, *inputs: Any) -> Any:
        """Predict for training: one pass through the decoder."""
        return self(decoder(*inputs))

    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        """Predict for evaluation and pictures: always with a spread."""
        return self.restore(decoder, *inputs)

    def reduced(self, decoder: nn.Module) -> "tuple[Head, nn.Module]":
        """Return head and decoder that share these weights, or a part of them, and predict a spread
        at less cost, for masking that needs one in every step."""
        return self, decoder

    def cost(self, prediction: Any, target: Tensor) -> Tensor:
        """Return the cost of each value of the target, (B, H, P) float32; the mean is the loss."""
        raise NotImplementedError

    def metrics(self, prediction: Any, target: Tensor) -> dict[str, Tensor]:
        """Return scalars to log beside the loss, under the same names in every step."""
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

    @override
    def reset(self) -> None:
        initialise(self)

    @override
    def forward(self, tokens: Tensor) -> Prediction:
        return Prediction(self.pixels(tokens))

    @override
    def predict(self, decoder: nn.Module, *inputs: Any) -> Prediction:
        # The squared error is the likelihood of a normal of variance 1: the same spread everywhere.
        mean = self.restore(decoder, *inputs).mean.float()
        return Prediction(mean, Normal(mean, torch.ones_like(mean[..., :1]), validate_args=False))

    @override
    def cost(self, prediction: Prediction, target: Tensor) -> Tensor:
        return F.mse_loss(prediction.mean.float(), target.float(), reduction="none")


def error_and_spread(prediction: Prediction, target: Tensor) -> dict[str, Tensor]:
    """Return the mean's squared error, and the mean predicted standard deviation if there is one.

    This is for heads with another loss: losses of different heads cannot be compared.
    """
    with torch.no_grad():
        metrics = {"train/mse": F.mse_loss(prediction.mean.float(), target.float())}
        if prediction.spread is not None:
            metrics["train/sigma"] = prediction.spread.stddev.mean()
    return metrics
