"""Parts of frames."""

from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The part of a frame (H, W, 3), as a view."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]
