"""What all masking strategies share. A strategy returns indices; a batch needs no loop.

Its randomness comes from `Draws` alone, so that a step's masks are the same for any number of
processes and of parts that its batch is split into.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from siammae.config.visible_patches import largest_ratio, visible_count
from siammae.model.batch_draws import Draws
from siammae.model.pair import FrameMask, Pair

if TYPE_CHECKING:
    from siammae.model.heads import Head


class Masking(nn.Module):
    """Base of the strategies: the past frame stays whole, the future frame is masked at random.

    A strategy that looks at the frames overrides `future`. One that learns where to look also
    overrides `attach`, `begin_step` and `own_loss`, which do nothing here.

    needs_past_tokens: whether patches are chosen by the encoded past frame.
    needs_spread: whether patches are chosen by the spread that the head predicts.
    compares_places: whether the past frame is read where the hidden patch is.

    Args:
        ratio: share of the future frame's patches that is hidden, in (0, 1).
    """

    needs_past_tokens: bool = False
    needs_spread: bool = False
    compares_places: bool = False

    def __init__(self, ratio: float):
        super().__init__()
        if not 0 < ratio < 1:
            raise ValueError(f"mask ratio {ratio} is outside (0, 1)")
        self.ratio = ratio

    def past(self, batch: int, grid: tuple[int, int], draws: Draws) -> FrameMask:
        """Split the past frame of rows x columns patches: all are visible (paper, section 3)."""
        patches = torch.arange(grid[0] * grid[1], device=draws.device).expand(batch, -1)
        return FrameMask(patches, patches[:, :0])

    def future(self, pair: Pair, draws: Draws) -> FrameMask:
        """Split the future frame: a new set for every sample at every call, all sets as likely."""
        batch, patches, _ = pair.future.shape
        return random_mask(batch, patches, self.ratio, draws)

    def attach(self, decoder: nn.Module, head: "Head") -> None:
        """Take note of what restores the frames; the model calls this once.

        Raises:
            ValueError: when the strategy cannot work with them.
        """

    def begin_step(self, step: int, steps: int) -> None:
        """Prepare for optimiser step ``step`` of 1 to ``steps``, before its first mask is drawn.

        Masks that are drawn between steps, for pictures say, are drawn as in the last step.
        """

    def own_loss(
        self, pair: Pair, mask: FrameMask, prediction: Tensor, target: Tensor
    ) -> Tensor | None:
        """Return a scalar that the strategy's own parameters minimise, or None.

        Args:
            pair: what `future` was called with.
            mask: what it returned.
            prediction: (B, H, P), the predicted mean of the hidden patches.
            target: (B, H, P), their normalised pixels.
        """
        return None


def check_ratio(ratio: float, patches: int) -> None:
    """Check that a ratio leaves one of ``patches`` visible and hides one.

    Raises:
        ValueError: with the largest ratio that leaves one.
    """
    if not 0 < visible_count(patches, ratio) < patches:
        raise ValueError(
            f"mask_ratio={ratio} must hide some of {patches} patches and leave some visible; "
            f"{largest_ratio(patches)} leaves one"
        )


def random_mask(batch: int, patches: int, ratio: float, draws: Draws) -> FrameMask:
    """Draw a mask for each sample, uniform over all sets of the size that ``ratio`` leaves."""
    return split_by_rank(draws.rand(batch, patches), visible_count(patches, ratio))


def split_by_rank(scores: Tensor, visible: int) -> FrameMask:
    """Show the ``visible`` patches of the lowest scores (B, N) in each sample, hide the others."""
    order = scores.argsort(dim=1, stable=True)
    return FrameMask(order[:, :visible].sort(dim=1).values, order[:, visible:].sort(dim=1).values)
