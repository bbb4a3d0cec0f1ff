"""Views of a single frame, for methods that know nothing of time."""

import numpy as np
from typing_extensions import override

from siammae.data.sampling.targets import Offsets, Targets


class SameFrame(Targets):
    """One frame of a clip, ``views`` times: each view has its own crop if ``augment`` says so.

    Args:
        views: number of frames (B, views, ...) that the model gets, all the same one of the clip.
    """

    def __init__(self, views: int = 1):
        if views < 1:
            raise ValueError(f"views {views} must be at least 1")
        self.count = views - 1

    @override
    def draw(self, rng: np.random.Generator, frames: int, scale: float = 1.0) -> Offsets:
        """Draw a frame of the clip, each as likely."""
        return Offsets([int(rng.integers(0, frames))] * (1 + self.count), False)
