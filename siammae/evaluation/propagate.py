"""Labels through time: each patch takes the labels of its nearest patches in earlier frames.

No training. Only affinities inside the local window are computed, in bands of rows, and softmax
only over the k that win; a whole N x N matrix is never made.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
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
    memory: Memory | None = None
    for frame in features:
        if len(frame) != grid[0] * grid[1]:
            raise ValueError(f"{len(frame)} patches do not fill a grid of {grid[0]} x {grid[1]}")
        frame = F.normalize(frame.detach().float(), dim=-1)
        if protocol.precision == "fp16" or (protocol.precision == "auto" and frame.is_cuda):
            frame = frame.half()
        if memory is None:
            start = Context(frame, first.to(frame.device, torch.float32))
            memory = Memory(protocol, start, deque(maxlen=protocol.queue))
            yield start.labels
            continue
        bands = make_bands(grid, protocol.radius, protocol.window, frame.device)
        labels = torch.cat([_vote(protocol, frame, memory, band) for band in bands])
        memory.recent.append(Context(frame, labels))
        yield labels


@dataclass
class Memory:
    """The frames that may be searched: the first one, and the last ``protocol.queue``."""

    protocol: Propagation
    first: Context
    recent: deque[Context]

    @property
    def queued_first(self) -> int:
        """How many places of the queue the first frame takes."""
        free = self.protocol.queue - len(self.recent)
        if self.protocol.start == "repeat":
            return free
        return int(not self.protocol.first_always and free > 0)

    @property
    def first_windowed(self) -> bool:
        """The first frame is searched only inside the window."""
        return self.protocol.window_first or not self.protocol.first_always


def _vote(protocol: Propagation, query: Tensor, memory: Memory, band: "Band") -> Tensor:
    """Labels (queries of the band, C) of one frame."""
    recent = [Context(*(part[band.keys] for part in context)) for context in memory.recent]
    first = memory.first
    if memory.first_windowed:
        first = Context(*(part[band.keys] for part in first))
    contexts = [first, *recent]
    if not (protocol.first_always or memory.queued_first):
        contexts = recent
    windowed = len(contexts) == len(recent) or memory.first_windowed
    scores = _scores(query[band.queries], contexts, band, windowed)
    cosines, index = _winners(protocol, scores)
    votes = _places(protocol, memory, band, index, len(first.features), contexts[0] is first)
    weights = _weights(protocol, cosines.float(), votes)
    labels = torch.cat([context.labels for context in contexts])
    labels = F.pad(labels, (0, 0, 0, scores.shape[1] - len(labels)))
    return (weights.unsqueeze(-1) * labels[index]).sum(dim=1)


def _winners(protocol: Propagation, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The k largest cosines of each row, largest first, and where they are; with ``ties`` kept,
    as many more columns as the row with most ties needs, -inf where a row has fewer."""
    cosines, index = largest(scores, protocol.top_k)
    if protocol.ties == "drop":
        return cosines, index
    least = cosines[:, -1:]
    most = int((scores >= least).sum(dim=1).max())
    if most > cosines.shape[1]:
        cosines, index = scores.topk(most, dim=1)
        cosines = cosines.masked_fill(cosines < least, -torch.inf)
    return cosines, index


def _places(
    protocol: Propagation,
    memory: Memory,
    band: "Band",
    index: Tensor,
    first_keys: int,
    has_first: bool,
) -> Tensor | None:
    """How often each winner (Q, k) stands among the frames searched; None when all stand once.

    The queue is filled with copies of the first frame at the start: instead of searching each copy,
    its patches count as often as they would be found. Copies in the queue are always windowed.
    """
    copies = memory.queued_first
    if not has_first or copies + protocol.first_always == 1:
        return None
    in_first = index < first_keys
    place = index.clamp(max=first_keys - 1)
    if memory.first_windowed:
        inside = torch.ones_like(in_first)  # what is outside has no score
    else:
        low, high = band.keys.start, band.keys.stop
        near = (place >= low) & (place < high)
        inside = near & ~band.outside.gather(1, (place - low).clamp(0, high - low - 1))
    found = int(protocol.first_always) + copies * inside
    return torch.where(in_first, found, torch.ones_like(found))


def _weights(protocol: Propagation, cosines: Tensor, places: Tensor | None) -> Tensor:
    """Softmax over the k winners (Q, k); -inf, outside the window, weighs nothing."""
    if places is None:
        return (cosines / protocol.temperature).softmax(dim=1)
    if protocol.ties == "drop":  # the k places go to the largest first
        before = places.cumsum(dim=1) - places
        places = torch.minimum(places, (protocol.top_k - before).clamp(min=0))
    else:  # everything from the k-th on, copies counted
        before = places.cumsum(dim=1) - places
        last = (before < protocol.top_k).sum(dim=1, keepdim=True) - 1
        places = places * (cosines >= cosines.gather(1, last))
    weights = places * ((cosines - cosines[:, :1]) / protocol.temperature).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def _scores(queries: Tensor, contexts: list[Context], band: "Band", windowed: bool) -> Tensor:
    """Cosines (Q, K) to all keys of all contexts, -inf outside the window; ``windowed``: it holds
    for the first context too.

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
        if number > 0 or windowed:
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


@lru_cache(maxsize=4)
def make_bands(
    grid: tuple[int, int], radius: float, window: str, device: torch.device
) -> list[Band]:
    """Part a grid into bands of `BAND_ROWS` rows; kept, since videos share a grid."""
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
