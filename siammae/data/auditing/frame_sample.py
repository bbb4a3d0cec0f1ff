"""A small random sample of a video's frames, kept so that other reads can be compared with it."""

import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

KEPT = 96  # frames of the random sample
LAST = 4  # and of the end
SIDE = 64  # of a kept frame's shorter side, in blocks


class FrameSample:
    """An even random sample of a stream of frames in bounded memory, with the last frames in it.

    The rank of a frame follows from its number alone. When more than `KEPT` frames are held, those
    of the lowest rank are dropped, and later ones of that rank are not taken.

    Args:
        pixels: converts a frame to pixels (H, W, 3) uint8 RGB; most frames are never converted.
    """

    def __init__(self, pixels: Callable[[Any], np.ndarray]):
        self._pixels = pixels
        self._kept: dict[int, np.ndarray] = {}
        self._last: deque[tuple[int, Any]] = deque(maxlen=LAST)
        self._least = 0

    def add(self, number: int, frame: Any) -> None:
        """Take the next frame; frames come in order."""
        self._last.append((number, frame))
        if _rank(number) >= self._least:
            self._kept[number] = blocks_of(self._pixels(frame))
        while len(self._kept) > KEPT:
            self._least += 1
            self._kept = {n: kept for n, kept in self._kept.items() if _rank(n) >= self._least}

    def frames(self) -> dict[int, np.ndarray]:
        """Return the blocks of the kept frames by frame number, in ascending order."""
        last = {number: blocks_of(self._pixels(frame)) for number, frame in self._last}
        return dict(sorted((self._kept | last).items()))


def _rank(number: int) -> int:
    """Return a geometrically distributed rank: half of the frames have 0, a quarter 1 and so on."""
    mixed = zlib.crc32(number.to_bytes(8, "little"))
    return 32 if mixed == 0 else (mixed & -mixed).bit_length() - 1


def blocks_of(frame: np.ndarray) -> np.ndarray:
    """Return the means of a frame's blocks: (H, W, 3) to (h, w, 3) int16.

    There are at most 64 blocks along the short side, each at least 4 pixels wide. Such means change
    little with how a decoder interpolates colours between pixels, and much with what moves.
    """
    import cv2

    height, width = frame.shape[:2]
    short = min(height, width)
    factor = max(1, min(SIDE, short // 4)) / short
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.int16)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference between two frames' blocks in grey levels.

    It is infinite when the frames have different sizes.
    """
    return float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")
