"""Gaps between frames: their range, its unit, and what that is in the frames of a clip."""

import math
from collections.abc import Sequence

from siammae.data.reading.video import Clip
from siammae.system.errors import DataError

UNITS = ("frames", "seconds")


def gap_range(gap: float | Sequence[float], unit: str = "frames") -> tuple[float, float]:
    """The smallest and the largest gap that is drawn.

    Args:
        gap: one, or ``[lo, hi]``. In frames ints of at least 1, in seconds any numbers above 0.
        unit: ``frames`` of the video, or ``seconds``.

    Raises:
        ValueError: when the ends are not such numbers, or reversed, or there is no such unit.
    """
    if unit not in UNITS:
        raise ValueError(f"gap_unit '{unit}' is none of {', '.join(UNITS)}")
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
    """How many of a clip's frames, as they are stored, are one frame of its video or one second.

    Args:
        unit: ``frames`` or ``seconds``.
        clip: opened.
        name: of the clip, for the error.

    Raises:
        DataError: when seconds are asked for and the clip does not tell its rate.
    """
    if unit == "frames":
        return 1.0 / clip.step
    if clip.fps is None:
        raise DataError(
            f"{name} tells no frame rate, and frame_gap_unit=seconds needs one; data.fps=N gives "
            "that of folders of images"
        )
    return clip.fps / clip.step


def stored_gap(gap: float, scale: float) -> int:
    """A gap in stored frames: the nearest number of them, at least 1.

    Args:
        gap: in frames of the video or seconds.
        scale: of `frames_of_unit`.
    """
    return max(1, math.floor(gap * scale + 0.5))
