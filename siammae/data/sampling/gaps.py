"""Gaps between frames: their range, its unit, and their conversion to the frames of a clip."""

import math
from collections.abc import Sequence

from siammae.data.reading.clip import Clip
from siammae.system.errors import DataError

UNITS = ("frames", "seconds")


def gap_range(gap: float | Sequence[float] | None, unit: str = "frames") -> tuple[float, float]:
    """Return the smallest and the largest gap that is drawn.

    Args:
        gap: one gap, or ``[lo, hi]``: ints of at least 1 in frames, numbers above 0 in seconds.
            None, as methods of one frame set it, is refused.
        unit: ``frames`` of the video, or ``seconds``.

    Raises:
        ValueError: when there is no gap, its ends are not such numbers or are reversed, or the unit
            is unknown.
    """
    if unit not in UNITS:
        raise ValueError(f"gap_unit '{unit}' is none of {', '.join(UNITS)}")
    if gap is None:
        raise ValueError("these frames have a gap, and frame_gap=null; set it, as frame_gap=[4,48]")
    ends = [gap, gap] if isinstance(gap, int | float) else list(gap)
    if unit == "frames":
        whole = all(type(end) is int and end >= 1 for end in ends)
        wanted = "an int >= 1 or [lo, hi] with 1 <= lo <= hi"
    else:
        whole = all(type(end) in (int, float) and 0 < end < math.inf for end in ends)
        wanted = "seconds, a number > 0 or [lo, hi] with 0 < lo <= hi"
    if len(ends) != 2 or not whole or not ends[0] <= ends[1]:
        raise ValueError(f"gap {gap} must be {wanted}")
    return ends[0], ends[1]


def frames_of_unit(unit: str, clip: Clip, name: str) -> float:
    """Return how many stored frames of a clip make up one frame of its video, or one second.

    Args:
        unit: ``frames`` or ``seconds``.
        clip: the opened clip.
        name: its name, for the error.

    Raises:
        DataError: when seconds are asked for and the clip's frame rate is unknown.
    """
    if unit == "frames":
        return 1.0 / clip.step
    if clip.fps is None:
        raise DataError(
            f"{name} has no frame rate, and frame_gap_unit=seconds needs one; data.fps=N gives "
            "that of folders of images"
        )
    return clip.fps / clip.step


def stored_gap(gap: float, scale: float) -> int:
    """Return a gap as the nearest number of stored frames, at least 1.

    Args:
        gap: the gap in frames of the video, or in seconds.
        scale: stored frames in one such unit, see `frames_of_unit`.
    """
    return max(1, math.floor(gap * scale + 0.5))
