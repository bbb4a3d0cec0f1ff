"""Parting the grid into rectangles of queries, each with the keys that their windows touch."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Patches along a side of a band: fewer waste less outside the window, but do not fill a product.
SIDE = 12


class Band(NamedTuple):
    """A rectangle of queries, and the rectangle of keys that their windows touch.

    queries: their places in the order of the bands. patches: their places (Q,) in the grid.
    rows, columns: of the keys. penalty: (Q, rows, 1, columns), 0 in the window and -inf outside, of
    the features' type; the third axis is for the contexts.
    """

    queries: slice
    patches: Tensor
    rows: slice
    columns: slice
    penalty: Tensor

    def sources(
        self,
        index: Tensor,
        grid: tuple[int, int],
        contexts: int,
        skipped: int,
    ) -> Tensor:
        """Return which patches stand in columns ``index`` (Q, k) of a row of scores.

        Args:
            index: columns. The first ``skipped`` are patches of contexts that are searched
                everywhere; then come the rows of the keys, in each the contexts, in each the
                columns of the keys; then what fills up whole blocks, which becomes any patch.
            grid: rows and columns.
            contexts: how many are searched inside the window.
            skipped: see ``index``.

        Returns:
            Patches (Q, k), counted on from context to context.
        """
        if not contexts:
            return index.clamp(max=skipped - 1)
        width = self.columns.stop - self.columns.start
        rest, column = (index - skipped) // width, (index - skipped) % width
        row, context = rest // contexts, rest % contexts
        row = (row + self.rows.start).clamp(max=grid[0] - 1)  # what fills up the blocks
        inner = (context * grid[0] + row) * grid[1] + column + self.columns.start
        return torch.where(index < skipped, index, inner + skipped)


@lru_cache(maxsize=4)
def make_bands(
    grid: tuple[int, int],
    radius: float,
    window: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> list[Band]:
    """Part a grid into bands, those of the same columns together; kept, as videos share a grid."""
    penalties: dict[tuple[tuple[int, ...], ...], Tensor] = {}
    bands = []
    numbers = torch.arange(grid[0] * grid[1], device=device).view(grid)
    count = 0
    for left, right, first_column, last_column in _spans(grid[1], int(radius)):
        for top, bottom, first_row, last_row in _spans(grid[0], int(radius)):
            spans = ((top, bottom, first_row, last_row), (left, right, first_column, last_column))
            relative = tuple(tuple(end - span[0] for end in span) for span in spans)
            if relative not in penalties:  # bands far from the borders are alike
                penalties[relative] = _penalty(*spans, radius, window, device).to(dtype)
            patches = numbers[top:bottom, left:right].flatten()
            queries = slice(count, count + len(patches))
            count = queries.stop
            keys = slice(first_row, last_row), slice(first_column, last_column)
            bands.append(Band(queries, patches, *keys, penalties[relative]))
    return bands


def _spans(length: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Part a side into even spans of about `SIDE`: start and end of each, and of its keys."""
    parts = -(-length // SIDE)
    for part in range(parts):
        start, end = length * part // parts, length * (part + 1) // parts
        yield start, end, max(0, start - reach), min(length, end + reach)


def _penalty(
    vertical: Sequence[int],
    horizontal: Sequence[int],
    radius: float,
    window: str,
    device: torch.device,
) -> Tensor:
    """Return the penalties (Q, rows, 1, columns) of two spans: 0 in the window, -inf outside."""
    down, across = (
        torch.arange(start, end, device=device).view(-1, 1) - torch.arange(low, high, device=device)
        for start, end, low, high in (vertical, horizontal)
    )
    inside = in_window(down[:, None, :, None, None], across[:, None, None, :], radius, window)
    return torch.zeros(inside.shape, device=device).masked_fill_(~inside, -torch.inf).flatten(0, 1)


def in_window(down: Tensor, across: Tensor, radius: float, window: str) -> Tensor:
    """Whether pairs of patches that lie so many rows and columns apart see each other."""
    if window == "disc":
        return down**2 + across**2 < radius**2
    return torch.maximum(down.abs(), across.abs()) <= radius
