"""What a clip is to all that reads one."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

CHUNK = 16  # frames that are read at a time where a whole clip is read


@runtime_checkable
class Clip(Protocol):
    """An opened video.

    frames: number of frames that can be asked for.
    fps: frames per second of the video; None where it does not say.
    step: how many frames of the video lie from one of these frames to the next.
    """

    frames: int
    fps: float | None
    step: int

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Return frames at ascending ``indices``: (n, H, W, 3) uint8, RGB.

        Raises:
            DataError: when one cannot be read.
        """

    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield frames (H, W, 3) at ascending ``indices`` one by one; few are held at once.

        Raises:
            DataError: when one cannot be read.
        """
        for first in range(0, len(indices), CHUNK):
            yield from self.read(indices[first : first + CHUNK])
