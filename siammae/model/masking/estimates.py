"""Estimates of how uncertain the model is about each patch of a future frame it has not seen.

An estimate chooses with a copy of its weights that is brought up to date now and then. The copy is
part of the model's state, so that a resumed run goes on with the same one.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.heads import Head
from siammae.model.pair import FrameMask, Pair
from siammae.model.patches import gather_tokens

LEAST_ERROR = 1e-6  # of normalised pixels, whose variance is 1


class Estimate(nn.Module):
    """Base of the estimates."""

    def attach(self, decoder: nn.Module, head: Head) -> None:
        """Take note of what restores the frames; the model calls this once.

        Raises:
            ValueError: when the estimate cannot be read from them.
        """

    def refresh(self) -> None:
        """Bring the copy that chooses up to date."""
        raise NotImplementedError

    def forward(self, pair: Pair) -> Tensor:
        """Return the logarithm of each future patch's uncertainty, (B, N), detached."""
        raise NotImplementedError

    def own_loss(
        self, pair: Pair, mask: FrameMask, prediction: Tensor, target: Tensor
    ) -> Tensor | None:
        """Return what the estimate's own parameters minimise, see `Masking.own_loss`."""
        return None

    @override
    def train(self, mode: bool = True) -> "Estimate":
        super().train(mode)
        for child in self.children():  # copies stay in evaluation mode, without dropout
            child.eval()
        return self


class RunningError(Estimate):
    """A linear layer on the past frame's tokens predicts the error that a patch there will have.

    It learns in every step, by least squares, the logarithm of the hidden patches' mean squared
    error. It starts at the same error everywhere, so that no random numbers are drawn.

    Args:
        width: channels D of the encoder's tokens.
    """

    def __init__(self, width: int):
        super().__init__()
        self.probe = nn.utils.skip_init(nn.Linear, width, 1)
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.probe.bias)
        self.copy = deepcopy(self.probe).requires_grad_(False)

    @override
    def refresh(self) -> None:
        copy_weights(self.probe, self.copy)

    @override
    def forward(self, pair: Pair) -> Tensor:
        return self.copy(_patch_tokens(pair)).squeeze(-1).float()

    @override
    def own_loss(
        self, pair: Pair, mask: FrameMask, prediction: Tensor, target: Tensor
    ) -> Tensor | None:
        if not self.training:
            return None
        error = (prediction.detach().float() - target).square().mean(dim=-1)  # (B, H)
        predicted = self.probe(gather_tokens(_patch_tokens(pair), mask.hidden)).squeeze(-1)
        truth = error.detach().float().clamp(min=LEAST_ERROR).log()
        return (predicted.float() - truth).square().mean()


class PredictedSpread(Estimate):
    """The mean standard deviation that a copy of decoder and head predicts for a patch.

    The copy restores all patches of the future frame at once, from the past frame's tokens with
    nothing of the future visible: one pass of the decoder (of an ensemble two), without gradients.
    """

    decoder: nn.Module
    head: Head

    @override
    def attach(self, decoder: nn.Module, head: Head) -> None:
        if not head.predicts_spread:
            raise ValueError(
                f"estimate=predicted: {type(head).__name__} predicts the same spread everywhere; "
                "estimate=error works with every head"
            )
        self._live = head.reduced(decoder)  # in a tuple, so that they are no modules of this one
        head, decoder = self._live
        self.head = deepcopy(head).requires_grad_(False).eval()
        self.decoder = deepcopy(decoder).requires_grad_(False).eval()

    @override
    def refresh(self) -> None:
        for copy, live in zip((self.head, self.decoder), self._live, strict=True):
            copy_weights(live, copy)

    @override
    def forward(self, pair: Pair) -> Tensor:
        assert pair.encode is not None
        # Not under no_grad: autocast would keep casts without gradients for the encoder's next
        # pass. What is detached here and frozen there makes no graph either.
        latent = pair.encode(pair, pair.all_hidden()).detach()
        spread = self.head.predict(self.decoder, *latent).spread
        assert spread is not None
        return spread.stddev.float().mean(dim=-1).clamp(min=LEAST_ERROR).log()


def copy_weights(source: nn.Module, destination: nn.Module) -> None:
    """Copy parameters and buffers between two modules of the same make."""
    with torch.no_grad():
        pairs = zip(destination.state_dict().values(), source.state_dict().values(), strict=True)
        for own, new in pairs:
            own.copy_(new)


def _patch_tokens(pair: Pair) -> Tensor:
    """Return the past frame's tokens (B, N, D) without CLS, detached."""
    if pair.past.tokens is None:
        raise ValueError("an estimate needs the past frame encoded before patches are hidden")
    return pair.past.tokens[:, 1:].detach()
