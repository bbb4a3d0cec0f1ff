"""Masking by what the model is uncertain about."""

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.heads import Head
from siammae.model.masking.estimates import Estimate, PredictedSpread, RunningError
from siammae.model.masking.weighted import WeightedMasking
from siammae.model.pair import FrameMask, Pair

TOWARD = {"uncertain": 1, "certain": -1}


class UncertaintyMasking(WeightedMasking):
    """A patch's weight is how wrong the model expects to be there.

    Before the first `begin_step` it draws as after the warm-up.

    Args:
        ratio, temperature, random_share: see `WeightedMasking`.
        width: channels of the encoder's tokens.
        estimate: ``error``, the running error of hidden patches (`RunningError`), or ``predicted``,
            the standard deviation that the head predicts (`PredictedSpread`).
        toward: ``uncertain`` hides what is hard to restore, ``certain`` what is easy.
        warmup: share of the training, from its start, with uniform masks, in [0, 1).
        refresh: number of steps, at least 1, after which the weights that choose are brought up to
            date; the estimate is never older.
    """

    needs_past_tokens = True

    def __init__(
        self,
        ratio: float,
        width: int,
        estimate: str = "error",
        toward: str = "uncertain",
        temperature: float = 1.0,
        warmup: float = 0.1,
        refresh: int = 10,
        random_share: float = 0.5,
    ):
        if toward not in TOWARD:
            raise ValueError(f"toward={toward}: must be uncertain or certain")
        super().__init__(ratio, temperature, random_share, TOWARD[toward])
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup={warmup}: must be at least 0 and below 1")
        if refresh < 1:
            raise ValueError(f"refresh={refresh}: must be at least 1")
        if estimate not in ("error", "predicted"):
            raise ValueError(f"estimate={estimate}: must be error or predicted")
        self.warmup, self.refresh, self.warm = warmup, refresh, True
        self.estimate: Estimate = RunningError(width) if estimate == "error" else PredictedSpread()
        self.needs_spread = estimate == "predicted"
        self.compares_places = not self.needs_spread

    @override
    def attach(self, decoder: nn.Module, head: Head) -> None:
        self.estimate.attach(decoder, head)

    @override
    def begin_step(self, step: int, steps: int) -> None:
        self.warm = step > self.warmup * steps
        if (step - 1) % self.refresh == 0:
            self.estimate.refresh()

    @override
    def log_weight(self, pair: Pair) -> Tensor | None:
        return self.estimate(pair) if self.warm else None

    @override
    def own_loss(
        self, pair: Pair, mask: FrameMask, prediction: Tensor, target: Tensor
    ) -> Tensor | None:
        return self.estimate.own_loss(pair, mask, prediction, target)

    def get_extra_state(self) -> Tensor:
        """Save whether the warm-up is over: a resumed run may draw before its first step."""
        return torch.tensor(self.warm)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` saved."""
        self.warm = bool(state)
