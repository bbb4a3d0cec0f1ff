"""Uniform masking, the paper's: every set of patches is as likely as any other."""

from typing_extensions import override

from siammae.model.batch_draws import Draws
from siammae.model.masking.base import Masking, random_mask
from siammae.model.pair import FrameMask


class AsymmetricRandom(Masking):
    """The paper's default: the past frame stays whole, the future frame is random at ``ratio``."""


class SymmetricRandom(Masking):
    """The paper's ablation: both frames are random, each drawn on its own.

    Args:
        ratio: share of the future frame's patches that is hidden, in (0, 1).
        past_ratio: share of the past frame's patches that is hidden, in [0, 1); None: ``ratio``. At
            0 the past frame is whole and nothing is drawn for it, as in `AsymmetricRandom`.
    """

    def __init__(self, ratio: float, past_ratio: float | None = None):
        super().__init__(ratio)
        self.past_ratio = ratio if past_ratio is None else past_ratio
        if not 0 <= self.past_ratio < 1:
            raise ValueError(f"past_ratio {past_ratio} is outside [0, 1)")

    @override
    def past(self, batch: int, grid: tuple[int, int], draws: Draws) -> FrameMask:
        if self.past_ratio == 0:
            return super().past(batch, grid, draws)
        return random_mask(batch, grid[0] * grid[1], self.past_ratio, draws)
