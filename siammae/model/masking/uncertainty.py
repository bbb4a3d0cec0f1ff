"""Masking by what the model is uncertain about."""

import torch
from torch import Tensor, nn

from siammae.model.heads import Head
from siammae.model.masking.estimates import Estimate, PredictedSpread, RunningError
from siammae.model.masking.strategies import FrameMask, View
from siammae.model.masking.weighted import WeightedMasking

TOWARD = {"uncertain": 1, "certain": -1}


class UncertaintyMasking(WeightedMasking):
    """A patch of the future frame weighs as much as the model expects to be wrong there.

    Until it is told otherwise by `begin`, the warm-up is over.

    Args:
        ratio, temperature, random_share: see `WeightedMasking`.
        width: channels of the encoder's tokens.
        estimate: ``error``, the running error of hidden patches (`RunningError`), or ``predicted``,
            the standard deviation that the head predicts (`PredictedSpread`).
        toward: ``uncertain`` hides what is hard to restore, ``certain`` what is easy.
        warmup: share of the training, from its start, with uniform masks, in [0, 1).
        refresh: the weights that choose are brought up to date every so many steps, at least 1; the
            estimate is never older.
    """

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
        self.learns = self.estimate.learns

    def attach(self, decoder: nn.Module, head: Head) -> None:
        """See `Masking`."""
        self.estimate.attach(decoder, head)

    def begin(self, step: int, steps: int) -> None:
        """See `Masking`."""
        self.warm = step > self.warmup * steps
        if (step - 1) % self.refresh == 0:
            self.estimate.refresh()

    def log_weight(self, view: View) -> Tensor | None:
        """See `WeightedMasking`."""
        return self.estimate(view) if self.warm else None

    def learn(self, view: View, mask: FrameMask, error: Tensor) -> Tensor:
        """See `Masking`."""
        return self.estimate.learn(view, mask, error)

    def get_extra_state(self) -> Tensor:
        """Whether the warm-up is over: a picture may be due before the first step of a resume."""
        return torch.tensor(self.warm)

    def set_extra_state(self, state: Tensor) -> None:
        """See `get_extra_state`."""
        self.warm = bool(state)
