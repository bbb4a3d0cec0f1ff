"""The order of a streamed pass: shards in random order, and clips shuffled in windows of shards."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Pass:
    """One pass over all clips.

    clips: (N,) clips in the order of their visits. shards: (S,) shards in the order of their use.
    ends: (W,) the place in ``clips`` where each window ends.
    window: number of shards in a window; the last one may have fewer.
    """

    clips: np.ndarray
    shards: np.ndarray
    ends: np.ndarray
    window: int

    def window_of(self, place: int) -> int:
        """Return the window of a place in ``clips``."""
        return int(np.searchsorted(self.ends, place, side="right"))

    def shards_of(self, window: int) -> list[int]:
        """Return the shards of a window; none after the last window."""
        return self.shards[window * self.window : (window + 1) * self.window].tolist()


class WindowedOrder:
    """The clip of each visit when shards are streamed.

    The order is a pure function of (seed, visit), so that any resumed run goes on in it. In every
    pass the shards stand in a new random order, and clips are shuffled within windows of ``window``
    shards. So a reader needs two windows at a time, the present and the next. Every clip comes once
    in every pass.

    The order is not uniform, since two clips of one shard always share a window. With n clips in it
    they come within k visits of each other with probability k (2 n - k - 1) / (n (n - 1)), about
    2 k / n, where a uniform order of N clips has about 2 k / N. With 240,000 clips, 40 in a shard,
    windows of 16 shards and batches of 1,024 clips, they are always within one window's 640 visits,
    which chance brings about in 0.5% of cases. Yet which clips share a shard says nothing about
    their content, as packing deals them at random, and windows consist of other shards in each
    pass.

    With several lanes, the order of a pass is cut into as many contiguous parts of (nearly) one
    size. Visits are dealt to lanes in runs of ``granule``: visit v belongs to lane (v // granule) %
    lanes, and a lane's visits go through its part in order. So a process that takes the runs of
    some lanes reads only their shards, and those of a window that a cut falls into.

    Args:
        shard: (N,) the shard that holds each clip.
        window: number of shards in a window.
        lanes: number of parts.
        granule: number of visits of one lane before those of the next lane.
    """

    def __init__(self, shard: np.ndarray, window: int, lanes: int = 1, granule: int = 1):
        self.window, self.lanes, self.granule = window, lanes, granule
        self._numbers, sizes = np.unique(shard, return_counts=True)
        self._by_shard = np.argsort(shard, kind="stable")
        self._begins = np.concatenate([[0], np.cumsum(sizes)])
        self._pass = lru_cache(maxsize=2)(self._make_pass)

    def turn(self, seed: int, visit: int) -> int:
        """Return the clip of a visit."""
        number, place = self.place(visit)
        return int(self._pass(seed, number).clips[place])

    def place(self, visit: int) -> tuple[int, int]:
        """Return the pass that a visit belongs to, and its place in the order of the pass."""
        clips = len(self._by_shard)
        number = visit // clips
        if self.lanes == 1:
            return number, visit % clips
        lane = visit // self.granule % self.lanes
        begin, end = self._before(number * clips), self._before((number + 1) * clips)
        part = int((end - begin)[:lane].sum())
        return number, part + int((self._before(visit) - begin)[lane])

    def shards(self, seed: int, visit: int) -> tuple[list[int], list[int]]:
        """Return the shards of a visit's window, and those of the next window of its lane."""
        number, place = self.place(visit)
        order = self._pass(seed, number)
        window = order.window_of(place)
        following = order.shards_of(window + 1) or self._pass(seed, number + 1).shards_of(0)
        return order.shards_of(window), following

    def _before(self, visit: int) -> np.ndarray:
        """Return the number of visits of each lane before this visit, (lanes,)."""
        rounds, rest = divmod(visit, self.granule * self.lanes)
        begun = rest - self.granule * np.arange(self.lanes)
        return rounds * self.granule + np.clip(begun, 0, self.granule)

    def _make_pass(self, seed: int, number: int) -> Pass:
        rng = np.random.default_rng([seed, number, 1 << 35])
        order = rng.permutation(len(self._numbers))
        parts = []
        for first in range(0, len(order), self.window):
            chosen = order[first : first + self.window]
            clips = [self._by_shard[self._begins[s] : self._begins[s + 1]] for s in chosen]
            parts.append(rng.permutation(np.concatenate(clips)))
        ends = np.cumsum([len(part) for part in parts])
        return Pass(np.concatenate(parts), self._numbers[order], ends, self.window)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_pass"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._pass = lru_cache(maxsize=2)(self._make_pass)
