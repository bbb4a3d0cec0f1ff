"""Which frames of a clip make a training sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Offsets(NamedTuple):
    """Frames of one sample: ascending indices, past first, and whether the clip was too short."""

    frames: list[int]
    short: bool


class SingleTarget:
    """A past frame and one future frame (paper, section 3).

    Args:
        gap: frames between the two; an int is exactly that, ``[lo, hi]`` a uniform draw with both
            ends included (the paper's 4 to 48). Counted in frames of the file, whatever its rate,
            as the published reproductions do.
    """

    count = 1

    def __init__(self, gap: int | Sequence[int]):
        low, high = (gap, gap) if isinstance(gap, int) else gap
        if not 1 <= low <= high:
            raise ValueError(f"gap {gap} must be an int >= 1 or [lo, hi] with 1 <= lo <= hi")
        self.low, self.high = low, high

    def draw(self, rng: np.random.Generator, frames: int) -> Offsets:
        """Indices into a clip of ``frames`` frames, at least two.

        The past frame is uniform over all that leave room for the gap. A clip that is not longer
        than the drawn gap gives the largest gap it has.
        """
        if frames < 2:
            raise ValueError(f"a pair needs two frames, the clip has {frames}")
        wanted = int(rng.integers(self.low, self.high + 1))
        gap = min(wanted, frames - 1)
        past = int(rng.integers(0, frames - gap))
        return Offsets([past, past + gap], gap < wanted)
