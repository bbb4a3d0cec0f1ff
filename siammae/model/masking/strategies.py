"""Which patches of the frames are hidden. A strategy returns indices; a batch needs no loop.

Its randomness comes from `Draws` alone, so that a step's masks are the same for any number of
processes and of parts that its batch is split into.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import Draws

if TYPE_CHECKING:
    from siammae.model.heads import Head


class FrameMask(NamedTuple):
    """The split of one frame's N patches in every sample of a batch.

    visible: (B, V) int64, indices of the patches that the encoder sees, ascending.
    hidden: (B, N - V) int64, indices of the patches to restore, ascending.
    """

    visible: Tensor
    hidden: Tensor

    @property
    def is_whole(self) -> bool:
        """Nothing is hidden."""
        return self.hidden.shape[1] == 0


def split_by_rank(scores: Tensor, visible: int) -> FrameMask:
    """Keep the ``visible`` patches with the lowest scores (B, N) in each sample."""
    order = scores.argsort(dim=1, stable=True)
    return FrameMask(order[:, :visible].sort(dim=1).values, order[:, visible:].sort(dim=1).values)


def random_mask(batch: int, patches: int, ratio: float, draws: Draws) -> FrameMask:
    """A set for each sample, uniform over all sets of the size that ``ratio`` leaves."""
    return split_by_rank(draws.rand(batch, patches), visible_count(patches, ratio))


class View(NamedTuple):
    """What a strategy may look at beside chance.

    past, future: (B, N, P), patches of the given frame and of the one to be hidden.
    grid: rows and columns of the patches.
    memory: (B, 1 + V, D), the given frame's encoded tokens, CLS first; None when it is encoded
        together with what is visible of the future frame.
    inputs: with what the decoder would be called if that mask hid the future frame.
    """

    past: Tensor
    future: Tensor
    grid: tuple[int, int]
    memory: Tensor | None = None
    inputs: Callable[[FrameMask], tuple[Any, ...]] | None = None


def all_hidden(view: View) -> FrameMask:
    """Nothing of the future frame is visible: it is predicted from the past alone."""
    batch, count, _ = view.future.shape
    patches = torch.arange(count, device=view.future.device).expand(batch, -1)
    return FrameMask(patches[:, :0], patches)


class Masking(nn.Module):
    """Base of the strategies: a ratio and the size of the patches' grid.

    learns: whether `learn` wants to be told how wrong the model was.

    Args:
        ratio: share of the future frame's patches that is hidden, in (0, 1).
    """

    learns: bool = False

    def __init__(self, ratio: float):
        super().__init__()
        if not 0 < ratio < 1:
            raise ValueError(f"mask ratio {ratio} is outside (0, 1)")
        self.ratio = ratio

    def past(self, batch: int, grid: tuple[int, int], draws: Draws) -> FrameMask:
        """The past frame stays whole (paper, section 3: asymmetric masking)."""
        patches = torch.arange(grid[0] * grid[1], device=draws.device).expand(batch, -1)
        return FrameMask(patches, patches[:, :0])

    def future(self, view: View, draws: Draws) -> FrameMask:
        """A fresh set in every sample and at every call, uniform over all sets of that size."""
        batch, patches, _ = view.future.shape
        return random_mask(batch, patches, self.ratio, draws)

    def attach(self, decoder: nn.Module, head: "Head") -> None:
        """Called once, with what restores the frames.

        Raises:
            ValueError: when the strategy cannot work with them.
        """

    def begin(self, step: int, steps: int) -> None:
        """Called before each optimiser step, from 1 to ``steps``; what is drawn outside of steps
        is drawn as in the last one."""

    def learn(self, view: View, mask: FrameMask, error: Tensor) -> Tensor:
        """What the strategy's own parameters minimise, a scalar; called while `learns`.

        Args:
            view: what `future` was given.
            mask: what it returned.
            error: (B, H), detached, the mean squared error of each hidden patch.
        """
        raise NotImplementedError


class AsymmetricRandom(Masking):
    """The paper's default: the past frame whole, the future frame random at ``ratio``."""


class SymmetricRandom(Masking):
    """Both frames random, each drawn on its own (the paper's ablation).

    Args:
        ratio: see `Masking`.
        past_ratio: share of the past frame's patches that is hidden, in [0, 1); None: ``ratio``. At
            0 the past frame is whole and nothing is drawn for it, as in `AsymmetricRandom`.
    """

    def __init__(self, ratio: float, past_ratio: float | None = None):
        super().__init__(ratio)
        self.past_ratio = ratio if past_ratio is None else past_ratio
        if not 0 <= self.past_ratio < 1:
            raise ValueError(f"past_ratio {past_ratio} is outside [0, 1)")

    def past(self, batch: int, grid: tuple[int, int], draws: Draws) -> FrameMask:
        """Hidden like the future frame, at its own ratio."""
        if self.past_ratio == 0:
            return super().past(batch, grid, draws)
        return random_mask(batch, grid[0] * grid[1], self.past_ratio, draws)


class AsymmetricGrid(Masking):
    """The past frame whole; of the future frame an evenly spread lattice stays visible.

    MAE's grid keeps one patch of four. For any ratio: patches are ranked by an ordered-dither
    (Bayer) matrix, whose first V ranks are an even lattice, shifted at random in every sample.
    """

    def future(self, view: View, draws: Draws) -> FrameMask:
        """The V lowest ranks of a cyclically shifted dither matrix."""
        batch, grid = view.future.shape[0], view.grid
        bayer = bayer_matrix(max(grid), draws.device)
        side = bayer.shape[0]
        shift = draws.randint(side, 2, batch, 1, batch_dim=1)
        rows = (torch.arange(grid[0], device=draws.device) + shift[0]) % side  # (B, rows)
        columns = (torch.arange(grid[1], device=draws.device) + shift[1]) % side  # (B, columns)
        ranks = bayer[rows.unsqueeze(2), columns.unsqueeze(1)]  # (B, rows, columns)
        return split_by_rank(ranks.flatten(1), visible_count(grid[0] * grid[1], self.ratio))


def bayer_matrix(at_least: int, device: torch.device | None = None) -> Tensor:
    """The ordered-dither matrix of the smallest power of two >= ``at_least``, ranks from 0."""
    matrix = torch.zeros(1, 1, dtype=torch.int64, device=device)
    while matrix.shape[0] < at_least:
        matrix = torch.cat(
            [
                torch.cat([4 * matrix, 4 * matrix + 2], 1),
                torch.cat([4 * matrix + 3, 4 * matrix + 1], 1),
            ]
        )
    return matrix
