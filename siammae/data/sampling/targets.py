"""Which frames of a clip make a training sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from siammae.data.sampling.gaps import gap_range, stored_gap


class Offsets(NamedTuple):
    """Frames of one sample: the given one first, and whether the clip was too short for the gap."""

    frames: list[int]
    short: bool


class Targets:
    """Base of the options: draws frames, and says what the model is to know of them.

    count: frames that are restored from the given one.
    predict: the last of them has all its patches hidden.
    gap_unit: what gaps are told in: ``frames`` of the video, or ``seconds``.
    gap_embedding: how the decoder is told the gap of a frame: ``none``, ``sincos`` or ``learned``.
    loss_gap_power: x, where a frame at gap g counts in the loss as g^-x; 0: all alike.
    """

    count = 1
    predict = False
    gap_unit = "frames"
    gap_embedding = "none"
    loss_gap_power = 0.0

    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Indices into a clip of ``frames`` frames: the given one, then the others.

        Args:
            rng: draws them.
            frames: of the clip, as they are stored.
            scale: stored frames that are one ``gap_unit``, see `frames_of_unit`.
        """
        raise NotImplementedError


class SingleTarget(Targets):
    """A past frame and one future frame (paper, section 3), or the other way round.

    Args:
        gap: between the two; a number is exactly that, ``[lo, hi]`` a uniform draw with both ends
            included (the paper's 4 to 48). In frames it is counted in those of the video, whatever
            its rate, as the published reproductions do.
        gap_unit: ``frames`` or ``seconds``. A gap in seconds, or in frames of which not every one
            is stored, becomes the nearest number of stored frames, at least 1; so does each end of
            a range before the draw.
        direction: ``future`` restores the later frame from the earlier (the paper's default),
            ``past`` the earlier from the later. The same frames are drawn for both.
    """

    def __init__(
        self,
        gap: float | Sequence[float],
        direction: str = "future",
        gap_unit: str = "frames",
    ):
        if direction not in ("future", "past"):
            raise ValueError(f"direction '{direction}' is neither 'future' nor 'past'")
        self.low, self.high = gap_range(gap, gap_unit)
        self.direction, self.gap_unit = direction, gap_unit

    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Indices into a clip of ``frames`` frames, at least two.

        The earlier frame is uniform over all that leave room for the gap. A clip that is not longer
        than the drawn gap gives the largest gap it has.
        """
        if frames < 2:
            raise ValueError(f"a pair needs two frames, the clip has {frames}")
        low, high = stored_gap(self.low, scale), stored_gap(self.high, scale)
        wanted = int(rng.integers(low, high + 1))
        gap = min(wanted, frames - 1)
        earlier = int(rng.integers(0, frames - gap))
        pair = [earlier, earlier + gap]
        return Offsets(pair if self.direction == "future" else pair[::-1], gap < wanted)
