"""Which frames of a clip make a training sample."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from siammae.data.sampling.gaps import gap_range, stored_gap


class Offsets(NamedTuple):
    """The frames of one sample, the given one first; short: the clip was too short for the gap."""

    frames: list[int]
    short: bool


class Targets:
    """Base of the options that draw frames and say what the model learns about them.

    count: number of target frames, which are restored from the given one.
    predict: whether all patches of the last target are hidden.
    gap_unit: unit of gaps: ``frames`` of the video, or ``seconds``.
    gap_embedding: how the decoder learns the gap of a target: ``none``, ``sincos`` or ``learned``.
    loss_gap_power: exponent x: a target at gap g counts in the loss as g^-x; with 0 all alike.
    """

    as_before: ClassVar = {"gap_unit": "frames"}  # of runs from before the key

    count = 1
    predict = False
    gap_unit = "frames"
    gap_embedding = "none"
    loss_gap_power = 0.0

    def check_length(self, frames: int) -> None:
        """Refuse a set whose longest clip has ``frames`` frames.

        Here none is refused: of a clip that is too short for a gap a smaller one is taken.

        Raises:
            ValueError: when no clip can give the frames as they are set, with what can be done.
        """

    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Draw indices into a clip: that of the given frame, then those of the targets.

        Args:
            rng: generator that draws them.
            frames: number of frames of the clip, as they are stored.
            scale: number of stored frames in one ``gap_unit``, see `frames_of_unit`.
        """
        raise NotImplementedError


class SingleTarget(Targets):
    """A past frame and one future frame (paper, section 3), or the other way round.

    Args:
        gap: gap between the two: one number, or ``[lo, hi]`` for a uniform draw with both ends
            included (the paper's 4 to 48). Frames are those of the video, whatever its rate, as
            in the published reproductions.
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
        """Draw indices into a clip of ``frames`` frames, at least two.

        The earlier frame is uniform over all that leave room for the gap. A clip that is not longer
        than the drawn gap gives the largest gap that it has.
        """
        if frames < 2:
            raise ValueError(f"a pair needs two frames, the clip has {frames}")
        low, high = stored_gap(self.low, scale), stored_gap(self.high, scale)
        wanted = int(rng.integers(low, high + 1))
        gap = min(wanted, frames - 1)
        earlier = int(rng.integers(0, frames - gap))
        pair = [earlier, earlier + gap]
        return Offsets(pair if self.direction == "future" else pair[::-1], gap < wanted)
