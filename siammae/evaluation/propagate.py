"""Labels through time: each patch takes the labels of its nearest patches in earlier frames.

No training. Only affinities inside the local window are computed, in bands of rows, and softmax
only over the k that win; a whole N x N matrix is never made.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from siammae.evaluation.protocol import Propagation

BAND_ROWS = 6  # rows of queries at a time: few, so that memory is small; enough to fill a product
BLOCK = 64  # width of the blocks of the two-pass top-k


class Context(NamedTuple):
    """An earlier frame: normalised features (N, D) and soft labels (N, C)."""

    features: Tensor
    labels: Tensor


def propagate(
    protocol: Propagation, features: Iterable[Tensor], grid: tuple[int, int], first: Tensor
) -> Iterator[Tensor]:
    """Soft labels (N, C) of every frame, the first included, one at a time.

    Args:
        features: (N, D) for each frame, in order; normalised here.
        grid: rows and columns, N = rows * columns.
        first: soft labels (N, C) of the first frame.

    Raises:
        ValueError: when a frame's features do not fill the grid.
    """
    start: Context | None = None
    recent: deque[Context] = deque(maxlen=protocol.queue)
    bands: list[Band] = []
    for frame in features:
        if len(frame) != grid[0] * grid[1]:
            raise ValueError(f"{len(frame)} patches do not fill a grid of {grid[0]} x {grid[1]}")
        frame = F.normalize(frame.detach().float(), dim=-1)
        if start is None:
            start = Context(frame, first.to(frame.device, torch.float32))
            bands = make_bands(grid, protocol.radius, protocol.window, frame.device)
            yield start.labels
            continue
        labels = _vote(protocol, frame, start, list(recent), bands)
        recent.append(Context(frame, labels))
        yield labels


def _vote(
    protocol: Propagation, query: Tensor, first: Context, recent: list[Context], bands: list["Band"]
) -> Tensor:
    """Labels (N, C) of one frame."""
    votes = []
    for band in bands:
        near = [Context(*(part[band.keys] for part in context)) for context in recent]
        if protocol.window_first:
            contexts = [Context(*(part[band.keys] for part in first)), *near]
        else:
            contexts = [first, *near]
        scores = _scores(query[band.queries], contexts, band, protocol.window_first)
        cosines, index = largest(scores, protocol.top_k)
        weights = (cosines / protocol.temperature).softmax(dim=1)  # -inf, outside, weighs nothing
        labels = torch.cat([context.labels for context in contexts])
        labels = F.pad(labels, (0, 0, 0, scores.shape[1] - len(labels)))
        votes.append((weights.unsqueeze(-1) * labels[index]).sum(dim=1))
    return torch.cat(votes)


def _scores(queries: Tensor, contexts: list[Context], band: "Band", window_first: bool) -> Tensor:
    """Cosines (Q, K) to all keys of all contexts, -inf outside the window.

    K is filled up with -inf to whole blocks. The products are written where they belong: joining
    them afterwards would move as much memory as the choice of the k largest.
    """
    count = sum(len(context.features) for context in contexts)
    scores = queries.new_empty(len(queries), count + -count % BLOCK)
    scores[:, count:] = -torch.inf
    start = 0
    for number, context in enumerate(contexts):
        part = scores[:, start : start + len(context.features)]
        torch.mm(queries, context.features.T, out=part)
        if number > 0 or window_first:
            part.masked_fill_(band.outside, -torch.inf)
        start += len(context.features)
    return scores


class Band(NamedTuple):
    """Some rows of queries and the rows of keys that their windows touch.

    queries, keys: ranges of patches. outside: (queries, keys) bool, pairs not in a window.
    """

    queries: slice
    keys: slice
    outside: Tensor


def make_bands(
    grid: tuple[int, int], radius: float, window: str, device: torch.device
) -> list[Band]:
    """Part a grid into bands of `BAND_ROWS` rows."""
    rows, columns = grid
    reach = int(radius)
    x = torch.arange(columns, device=device)
    across = (x.view(-1, 1) - x.view(1, -1)).abs()  # (columns, columns)
    bands = []
    for top in range(0, rows, BAND_ROWS):
        bottom = min(top + BAND_ROWS, rows)
        low, high = max(0, top - reach), min(rows, bottom + reach)
        query_rows = torch.arange(top, bottom, device=device)
        down = (query_rows.view(-1, 1) - torch.arange(low, high, device=device)).abs()
        dy, dx = down.view(bottom - top, 1, high - low, 1), across.view(1, columns, 1, columns)
        if window == "disc":
            outside = dy**2 + dx**2 >= radius**2
        else:
            outside = torch.maximum(dy, dx) > radius
        outside = outside.reshape((bottom - top) * columns, (high - low) * columns)
        queries, keys = (slice(a * columns, b * columns) for a, b in ((top, bottom), (low, high)))
        bands.append(Band(queries, keys, outside))
    return bands


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row (Q, K) and where they are; all of them when there are fewer.

    Long rows of whole blocks in two exact passes: the k largest values lie in the k blocks with the
    largest maxima.
    """
    rows, length = scores.shape
    if length <= 8 * k * BLOCK or length % BLOCK:
        values, index = scores.topk(min(k, length), dim=1)
        return values, index
    parted = scores.view(rows, -1, BLOCK)
    blocks = parted.amax(dim=2).topk(k, dim=1).indices  # (Q, k)
    candidates = parted.gather(1, blocks.unsqueeze(2).expand(-1, -1, BLOCK)).flatten(1)
    values, place = candidates.topk(k, dim=1)
    return values, blocks.gather(1, place // BLOCK) * BLOCK + place % BLOCK
