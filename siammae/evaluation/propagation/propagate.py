"""Carrying labels through time: each patch takes the labels of its nearest earlier patches.

No training. Queries are taken in small rectangles of the grid, so that only affinities about the
window are computed; softmax only over the k that win; a whole N x N matrix is never made.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import prod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.window_bands import SIDE, Band, in_window, make_bands

BLOCK = 64  # width of the blocks of the two-pass top-k


class Context(NamedTuple):
    """An earlier frame: its normalised features (N, D) and soft labels (N, C)."""

    features: Tensor
    labels: Tensor


def propagate(
    protocol: Propagation, features: Iterable[Tensor], grid: tuple[int, int], first: Tensor
) -> Iterator[Tensor]:
    """Yield soft labels (N, C) of every frame, the first included, one at a time.

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
            memory = Memory(protocol, grid, start, deque(maxlen=protocol.queue))
            yield start.labels
            continue
        labels = _vote(memory, frame)
        memory.recent.append(Context(frame, labels))
        yield labels


class Scratch:
    """Memory that is written again and again: taken anew each time, it costs time and scatters.

    It has room for the longest queue from the start; a CPU gives memory only to what is written.
    """

    def __init__(self) -> None:
        self.space: Tensor | None = None

    def take(self, like: Tensor, shape: Sequence[int], room: int) -> Tensor:
        """Return a tensor of the type of another; it overwrites the one before.

        Args:
            like: the other tensor.
            shape: of the tensor, ``room`` numbers at most.
            room: numbers that any call may need.
        """
        if self.space is None:
            with torch.inference_mode(False):  # so that it may be written in any mode
                self.space = torch.empty(room, dtype=like.dtype, device=like.device)
        return self.space[: prod(shape)].view(*shape)


@dataclass
class Memory:
    """The frames that may be searched: the first one, and the last ``protocol.queue``.

    keys, scores: where those of a strip and of a band are written.
    """

    protocol: Propagation
    grid: tuple[int, int]
    first: Context
    recent: deque[Context]
    keys: Scratch = field(default_factory=Scratch)
    scores: Scratch = field(default_factory=Scratch)

    @property
    def most_patches(self) -> int:
        """The number of patches of all contexts, when the queue is full."""
        return (self.protocol.queue + 1) * len(self.first.features)

    @property
    def queued_first(self) -> int:
        """The number of places of the queue that the first frame takes."""
        free = self.protocol.queue - len(self.recent)
        if self.protocol.start == "repeat":
            return free
        return int(not self.protocol.first_always and free > 0)

    @property
    def has_first(self) -> bool:
        """Whether the first frame is searched at all; its patches are then the first sources."""
        return self.protocol.first_always or self.queued_first > 0

    @property
    def everywhere(self) -> list[Context]:
        """The contexts that are searched without a window: the first frame, or none."""
        free = self.protocol.first_always and not self.protocol.window_first
        return [self.first] if free else []

    @property
    def windowed(self) -> list[Context]:
        """The contexts that are searched inside the window, the oldest first."""
        first = [self.first] if self.has_first and not self.everywhere else []
        return [*first, *self.recent]


def _vote(memory: Memory, frame: Tensor) -> Tensor:
    """Return labels (N, C) of one frame."""
    protocol = memory.protocol
    shape = (memory.grid, protocol.radius, protocol.window)
    bands = make_bands(*shape, frame.device, frame.dtype)
    patches = torch.cat([band.patches for band in bands])
    cosines, sources = _search(memory, frame[patches], bands)
    weights = _weights(protocol, cosines.float(), _places(memory, patches, sources))
    bank = torch.cat([context.labels for context in memory.everywhere + memory.windowed])
    voted = F.embedding_bag(sources, bank, mode="sum", per_sample_weights=weights)
    return torch.empty_like(voted).index_copy_(0, patches, voted)


def _search(memory: Memory, queries: Tensor, bands: list[Band]) -> tuple[Tensor, Tensor]:
    """Find the winners of each query (N, k): cosines, the largest first, and sources.

    Queries come in the order of the bands. A source is a patch of a context, counted on from
    context to context, those searched everywhere first.
    """
    protocol, windowed = memory.protocol, len(memory.windowed)
    skipped = sum(len(context.features) for context in memory.everywhere)
    found = []
    for columns, strip in groupby(bands, key=lambda band: band.columns):
        keys = _keys(memory, columns)
        for band in strip:
            scores = _scores(memory, queries[band.queries], keys, band)
            cosines, index = largest(scores, protocol.top_k, ties=protocol.ties == "keep")
            found.append((cosines, band.sources(index, memory.grid, windowed, skipped)))
    width = max(cosines.shape[1] for cosines, _ in found)  # more than k where ties are kept
    return _joined([c for c, _ in found], width, -torch.inf), _joined([s for _, s in found], width)


def _joined(parts: list[Tensor], width: int, fill: float = 0) -> Tensor:
    """Join parts (Q, any) below each other, each filled up to ``width`` columns."""
    return torch.cat([F.pad(part, (0, width - part.shape[1]), value=fill) for part in parts])


def _keys(memory: Memory, columns: slice) -> Tensor | None:
    """Return features (rows, contexts, columns, D) of a strip of the windowed contexts, or None.

    Rows come first: the keys of a band are then one piece of memory, and one product reads them.
    """
    parts = [context.features.unflatten(0, memory.grid)[:, columns] for context in memory.windowed]
    if not parts:
        return None
    rows, width, depth = parts[0].shape
    room = memory.most_patches * depth
    space = memory.keys.take(parts[0], (rows, len(parts), width, depth), room)
    return torch.stack(parts, dim=1, out=space)


def _scores(memory: Memory, queries: Tensor, keys: Tensor | None, band: Band) -> Tensor:
    """Compute cosines (Q, K) to all keys, -inf outside the window; K is filled to whole blocks.

    The products are written where they belong: joining them afterwards would move as much memory as
    the choice of the k largest.
    """
    parts = [context.features for context in memory.everywhere]
    if keys is not None:
        parts.append(keys[band.rows].flatten(0, 2))
    count = sum(len(part) for part in parts)
    room = SIDE**2 * (memory.most_patches + BLOCK)
    scores = memory.scores.take(queries, (len(queries), count + -count % BLOCK), room)
    scores[:, count:] = -torch.inf
    start = 0
    for part in parts:
        torch.mm(queries, part.T, out=scores[:, start : start + len(part)])
        start += len(part)
    if keys is not None:
        near = scores[:, count - len(parts[-1]) : count]
        near.unflatten(1, keys[band.rows].shape[:3]).add_(band.penalty)
    return scores


def _places(memory: Memory, patches: Tensor, sources: Tensor) -> Tensor | None:
    """Count how often each winner (N, k) stands among the frames; None when all stand once.

    The queue is filled with copies of the first frame at the start: instead of searching each copy,
    its patches count as often as they would be found. Copies in the queue are always windowed.
    """
    protocol, copies = memory.protocol, memory.queued_first
    if not memory.has_first or copies + protocol.first_always == 1:
        return None
    in_first = sources < len(memory.first.features)
    columns = memory.grid[1]
    down = patches.unsqueeze(1) // columns - sources // columns
    across = patches.unsqueeze(1) % columns - sources % columns
    # Of a first frame that is windowed, what is outside has no score and no vote.
    inside = in_window(down, across, protocol.radius, protocol.window)
    return torch.where(in_first, int(protocol.first_always) + copies * inside, 1)


def _weights(protocol: Propagation, cosines: Tensor, places: Tensor | None) -> Tensor:
    """Take the softmax over the k winners (N, k); -inf, outside the window, weighs nothing."""
    if places is None:
        return (cosines / protocol.temperature).softmax(dim=1)
    before = places.cumsum(dim=1) - places
    if protocol.ties == "drop":  # the k places go to the largest first
        places = torch.minimum(places, (protocol.top_k - before).clamp(min=0))
    else:  # everything from the k-th on, copies counted
        last = (before < protocol.top_k).sum(dim=1, keepdim=True) - 1
        places = places * (cosines >= cosines.gather(1, last))
    weights = places * ((cosines - cosines[:, :1]) / protocol.temperature).exp()
    return weights / weights.sum(dim=1, keepdim=True)


def largest(scores: Tensor, k: int, ties: bool = False) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row (Q, K) in order, and where they are; all when fewer.

    Long rows of whole blocks in two exact passes: the k largest values lie in the k blocks with the
    largest maxima. With ``ties``, also what equals the k-th: as many columns as the row with most
    ties needs, -inf where a row has fewer.
    """
    length = scores.shape[1]
    if length <= 8 * k * BLOCK or length % BLOCK:
        return _topk(scores, k, ties)
    parted = scores.unflatten(1, (-1, BLOCK))
    _, blocks = _topk(parted.amax(dim=2), k, ties)
    candidates = parted.gather(1, blocks.unsqueeze(2).expand(-1, -1, BLOCK)).flatten(1)
    values, place = _topk(candidates, k, ties)
    return values, blocks.gather(1, place // BLOCK) * BLOCK + place % BLOCK


def _topk(scores: Tensor, k: int, ties: bool) -> tuple[Tensor, Tensor]:
    """Do as `largest` in one pass."""
    values, index = scores.topk(min(k, scores.shape[1]), dim=1)
    if ties:
        least = values[:, -1:].clamp(min=torch.finfo(values.dtype).min)  # -inf never votes
        most = int((scores >= least).sum(dim=1).max())
        if most > values.shape[1]:
            values, index = scores.topk(most, dim=1)
            values = values.masked_fill(values < least, -torch.inf)
    return values, index
