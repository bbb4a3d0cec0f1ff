"""Masking that leaves an evenly spread lattice of patches visible."""

import torch
from torch import Tensor
from typing_extensions import override

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import Draws
from siammae.model.masking.base import Masking, split_by_rank
from siammae.model.pair import FrameMask, Pair


class AsymmetricGrid(Masking):
    """The past frame stays whole; of the future frame an evenly spread lattice stays visible.

    MAE's grid keeps one patch of four. To work at any ratio, this ranks the patches by an
    ordered-dither (Bayer) matrix, whose first V ranks are an even lattice, shifted at random in
    every sample.
    """

    @override
    def future(self, pair: Pair, draws: Draws) -> FrameMask:
        batch, (rows, columns) = pair.future.shape[0], pair.past.grid
        bayer = bayer_matrix(max(rows, columns), draws.device)
        side = bayer.shape[0]
        shift = draws.randint(side, 2, batch, 1, batch_dim=1)
        row = (torch.arange(rows, device=draws.device) + shift[0]) % side  # (B, rows)
        column = (torch.arange(columns, device=draws.device) + shift[1]) % side  # (B, columns)
        ranks = bayer[row.unsqueeze(2), column.unsqueeze(1)]  # (B, rows, columns)
        return split_by_rank(ranks.flatten(1), visible_count(rows * columns, self.ratio))


def bayer_matrix(at_least: int, device: torch.device | None = None) -> Tensor:
    """Return the ordered-dither matrix of the smallest power of two >= ``at_least``.

    Its ranks are int64 and start at 0.
    """
    matrix = torch.zeros(1, 1, dtype=torch.int64, device=device)
    while matrix.shape[0] < at_least:
        upper = torch.cat([4 * matrix, 4 * matrix + 2], dim=1)
        lower = torch.cat([4 * matrix + 3, 4 * matrix + 1], dim=1)
        matrix = torch.cat([upper, lower])
    return matrix
