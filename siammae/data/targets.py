"""Which frames of a clip make a training sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Offsets(NamedTuple):
    """Frames of one sample: the given one first, and whether the clip was too short for the gap."""

    frames: list[int]
    short: bool


class Targets:
    """Base of the options: draws frames, and says what the model is to know of them.

    count: frames that are restored from the given one.
    predict: the last of them has all its patches hidden.
    gap_embedding: how the decoder is told the gap of a frame: ``none``, ``sincos`` or ``learned``.
    loss_gap_power: x, where a frame at gap g counts in the loss as g^-x; 0: all alike.
    """

    count = 1
    predict = False
    gap_embedding = "none"
    loss_gap_power = 0.0

    def draw(self, rng: np.random.Generator, frames: int) -> Offsets:
        """Indices into a clip of ``frames`` frames: the given one, then the others."""
        raise NotImplementedError


class SingleTarget(Targets):
    """A past frame and one future frame (paper, section 3), or the other way round.

    Args:
        gap: frames between the two; an int is exactly that, ``[lo, hi]`` a uniform draw with both
            ends included (the paper's 4 to 48). Counted in frames of the file, whatever its rate,
            as the published reproductions do.
        direction: ``future`` restores the later frame from the earlier (the paper's default),
            ``past`` the earlier from the later. The same frames are drawn for both.
    """

    def __init__(self, gap: int | Sequence[int], direction: str = "future"):
        if direction not in ("future", "past"):
            raise ValueError(f"direction '{direction}' is neither 'future' nor 'past'")
        self.low, self.high = gap_range(gap)
        self.direction = direction

    def draw(self, rng: np.random.Generator, frames: int) -> Offsets:
        """Indices into a clip of ``frames`` frames, at least two.

        The earlier frame is uniform over all that leave room for the gap. A clip that is not longer
        than the drawn gap gives the largest gap it has.
        """
        if frames < 2:
            raise ValueError(f"a pair needs two frames, the clip has {frames}")
        wanted = int(rng.integers(self.low, self.high + 1))
        gap = min(wanted, frames - 1)
        earlier = int(rng.integers(0, frames - gap))
        pair = [earlier, earlier + gap]
        return Offsets(pair if self.direction == "future" else pair[::-1], gap < wanted)


def gap_range(gap: int | Sequence[int]) -> tuple[int, int]:
    """The smallest and the largest gap that is drawn, in frames.

    Raises:
        ValueError: when they are not 1 <= lo <= hi.
    """
    ends = [gap, gap] if isinstance(gap, int) else list(gap)
    if len(ends) != 2 or any(type(end) is not int for end in ends) or not 1 <= ends[0] <= ends[1]:
        raise ValueError(f"gap {gap} must be an int >= 1 or [lo, hi] with 1 <= lo <= hi")
    return ends[0], ends[1]
