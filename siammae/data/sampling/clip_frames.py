"""Frames of a clip at even distances, for methods that see it as a whole."""

import numpy as np
from typing_extensions import override

from siammae.data.sampling.gaps import stored_gap
from siammae.data.sampling.targets import Offsets, Targets
from siammae.system.errors import DataError


class ClipFrames(Targets):
    """A number of frames, each ``stride`` frames of the video after the one before.

    Args:
        frames: number of frames that the model gets.
        stride: frames of the video from one to the next. Of frames of which not every one is stored
            it becomes the nearest number of stored ones, at least 1.
    """

    def __init__(self, frames: int = 16, stride: int = 4):
        for name, value in (("frames", frames), ("stride", stride)):
            if value < 1:
                raise ValueError(f"{name} {value} must be at least 1")
        self.count, self.stride = frames - 1, stride

    @override
    def check_length(self, frames: int) -> None:
        needed = 1 + self.count * self.stride
        if frames <= self.count:
            raise ValueError(
                f"targets.frames={1 + self.count}: the clips have data.frames={frames}"
            )
        if frames < needed:
            raise ValueError(
                f"targets: {1 + self.count} frames at stride {self.stride} take clips of {needed} "
                f"frames, and data.frames={frames}; take "
                f"targets.stride={(frames - 1) // self.count} or longer clips"
            )

    @override
    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Draw indices into a clip, uniformly over all places with room.

        A clip that is too short for the stride gives its frames at the largest one that it has.

        Raises:
            DataError: when the clip has fewer frames than are drawn.
        """
        if frames <= self.count:
            raise DataError(
                f"the clip has {frames} frames; targets.frames={self.count + 1} are needed"
            )
        wanted = stored_gap(self.stride, scale)
        stride = min(wanted, (frames - 1) // max(1, self.count))
        first = int(rng.integers(0, frames - stride * self.count))
        places = [first + stride * number for number in range(1 + self.count)]
        return Offsets(places, stride < wanted and self.count > 0)
