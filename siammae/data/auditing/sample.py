"""Frames kept for a comparison: a few of any number of them, each small."""

import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

KEPT = 96  # frames of the random sample
LAST = 4  # and of the end
SIDE = 64  # of a kept frame's shorter side, in blocks


class FrameSample:
    """An even random sample of a stream of frames, in bounded memory; the last ones are in it.

    A frame has a rank that follows from its number alone. When too many are kept, the lower half
    of the ranks goes, and stays out.

    Args:
        pixels: makes a frame (H, W, 3) uint8 RGB; not called for most.
    """

    def __init__(self, pixels: Callable[[Any], np.ndarray]):
        self._pixels = pixels
        self._kept: dict[int, np.ndarray] = {}
        self._last: deque[tuple[int, Any]] = deque(maxlen=LAST)
        self._least = 0

    def add(self, number: int, frame: Any) -> None:
        """Frames come in order."""
        self._last.append((number, frame))
        if _rank(number) >= self._least:
            self._kept[number] = blocks_of(self._pixels(frame))
        while len(self._kept) > KEPT:
            self._least += 1
            self._kept = {n: kept for n, kept in self._kept.items() if _rank(n) >= self._least}

    def frames(self) -> dict[int, np.ndarray]:
        """Blocks of what is kept, by number in ascending order."""
        last = {number: blocks_of(self._pixels(frame)) for number, frame in self._last}
        return dict(sorted((self._kept | last).items()))


def _rank(number: int) -> int:
    """Geometrically distributed: half of the frames have 0, a quarter 1 and so on."""
    mixed = zlib.crc32(number.to_bytes(8, "little"))
    return 32 if mixed == 0 else (mixed & -mixed).bit_length() - 1


def blocks_of(frame: np.ndarray) -> np.ndarray:
    """Means of a frame's (H, W, 3) blocks: (h, w, 3) int16, at most 64 of them along the short
    side and at least 4 pixels each.

    Such means hardly see how a decoder interpolates colours between pixels, and see what moves.
    """
    import cv2

    height, width = frame.shape[:2]
    short = min(height, width)
    factor = max(1, min(SIDE, short // 4)) / short
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.int16)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two frames' blocks in grey levels; infinite for other sizes."""
    return float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")
