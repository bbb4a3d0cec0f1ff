"""Turning the frames of a sample."""

import numpy as np


class NoRotation:
    """Frames stay upright."""

    def draw(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Degrees, counter-clockwise, for each of ``frames`` frames: (frames,) float32."""
        return np.zeros(frames, np.float32)
