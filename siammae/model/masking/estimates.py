"""How uncertain the model is about each patch of a frame that nothing has been shown of yet.

An estimate chooses with a copy of its weights that is brought up to date now and then. The copy is
part of the model's state, so that a run that is resumed goes on with the same one.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from siammae.model.heads import Head
from siammae.model.masking.strategies import FrameMask, View, all_hidden
from siammae.model.patches import gather_tokens

LEAST_ERROR = 1e-6  # of normalised pixels, whose variance is 1


class Estimate(nn.Module):
    """Base of the estimates.

    learns: whether it wants to be told the errors of hidden patches.
    """

    learns: bool = False

    def attach(self, decoder: nn.Module, head: Head) -> None:
        """Called once, with what restores the frames; `refresh` follows their weights.

        Raises:
            ValueError: when the estimate cannot be read from them.
        """

    def refresh(self) -> None:
        """Bring the copy that chooses up to date."""
        raise NotImplementedError

    def forward(self, view: View) -> Tensor:
        """The logarithm of the uncertainty of each patch of the future frame: (B, N), detached."""
        raise NotImplementedError

    def learn(self, view: View, mask: FrameMask, error: Tensor) -> Tensor:
        """What is to be minimised, a scalar; see `Masking.learn`."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "Estimate":
        """Copies stay in evaluation mode, without dropout."""
        super().train(mode)
        for child in self.children():
            child.eval()
        return self


class RunningError(Estimate):
    """A linear layer on the past frame's tokens predicts the error that a patch there will have.

    It learns all along, by least squares, the logarithm of the mean squared error of the patches
    that are hidden. It starts at the same error everywhere, so no random numbers are drawn.

    Args:
        width: channels D of the encoder's tokens.
    """

    learns = True

    def __init__(self, width: int):
        super().__init__()
        self.probe = nn.utils.skip_init(nn.Linear, width, 1)
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.probe.bias)
        self.copy = deepcopy(self.probe).requires_grad_(False)

    def refresh(self) -> None:
        """See `Estimate`."""
        follow(self.copy, self.probe)

    def forward(self, view: View) -> Tensor:
        """See `Estimate`."""
        return self.copy(_patch_tokens(view)).squeeze(-1).float()

    def learn(self, view: View, mask: FrameMask, error: Tensor) -> Tensor:
        """Mean squared difference of the logarithms; its gradient reaches the probe alone."""
        predicted = self.probe(gather_tokens(_patch_tokens(view), mask.hidden)).squeeze(-1)
        truth = error.detach().float().clamp(min=LEAST_ERROR).log()
        return (predicted.float() - truth).square().mean()


class PredictedSpread(Estimate):
    """The mean standard deviation that a copy of decoder and head predicts for a patch.

    They are asked for all patches of the future frame at once, from the past frame's tokens with
    nothing of the future visible: one pass of the decoder, of an ensemble two, and no gradients.
    """

    decoder: nn.Module
    head: Head

    def attach(self, decoder: nn.Module, head: Head) -> None:
        """See `Estimate`."""
        if not head.predicts_spread:
            raise ValueError(
                f"estimate=predicted: {type(head).__name__} predicts the same spread everywhere; "
                "estimate=error works with every head"
            )
        self._live = head.sparing(decoder)  # in a tuple: no modules of this one
        spared_head, spared_decoder = self._live
        self.head = deepcopy(spared_head).requires_grad_(False).eval()
        self.decoder = deepcopy(spared_decoder).requires_grad_(False).eval()

    def refresh(self) -> None:
        """See `Estimate`."""
        for copy, live in zip((self.head, self.decoder), self._live, strict=True):
            follow(copy, live)

    def forward(self, view: View) -> Tensor:
        """See `Estimate`."""
        assert view.inputs is not None
        # Not under no_grad: autocast would keep casts without gradients for the encoder's next
        # pass. What is detached here and frozen there makes no graph either.
        inputs = (_detached(value) for value in view.inputs(all_hidden(view)))
        spread = self.head.predict(self.decoder, *inputs).spread
        assert spread is not None
        return spread.stddev.float().mean(dim=-1).clamp(min=LEAST_ERROR).log()


def follow(copy: nn.Module, live: nn.Module) -> None:
    """Give ``copy`` the weights of ``live``, a module of the same make."""
    with torch.no_grad():
        pairs = zip(copy.state_dict().values(), live.state_dict().values(), strict=True)
        for own, new in pairs:
            own.copy_(new)


def _patch_tokens(view: View) -> Tensor:
    """The past frame's tokens (B, N, D) without CLS, detached."""
    if view.memory is None:
        raise ValueError("an estimate needs the past frame encoded before patches are hidden")
    return view.memory[:, 1:].detach()


def _detached(value: object) -> object:
    return value.detach() if isinstance(value, Tensor) else value
