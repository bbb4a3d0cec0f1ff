"""Decoding COCO's run lengths (Lin et al. 2014) to masks, without the COCO API.

A mask is read down its columns, left to right; the lengths of its runs alternate between outside
and inside and start with outside. The compressed form writes each length, from the fourth on less
the one two before it, in groups of five bits, lowest first, as the characters 48 ('0') to 111.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from siammae.system.errors import DataError

ZERO, BITS = 48, 5  # the first character, and bits of a number in each
LARGEST = 1 << 30  # pixels of a mask
MORE, SIGN = 1 << BITS, 1 << (BITS - 1)  # another character follows; the number is negative


def decode_mask(rle: Any) -> np.ndarray:
    """Decode ``{"size": [H, W], "counts": ...}``, compressed or a list, to a mask (H, W) bool.

    Raises:
        DataError: when it is no run-length code, or its runs do not fill the size.
    """
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise DataError(f"{str(rle)[:40]} is no run-length code: it needs 'size' and 'counts'")
    (height, width), counts = _size(rle["size"]), rle["counts"]
    runs = decompress(counts) if isinstance(counts, str | bytes) else counts
    if not isinstance(runs, list) or any(type(run) is not int for run in runs):
        raise DataError(
            f"the 'counts' {str(counts)[:40]} of a run-length code are no list of whole numbers, "
            "and no text"
        )
    filled = sum(runs)
    if filled != height * width or min(runs, default=0) < 0:
        raise DataError(
            f"run lengths add up to {filled} pixels, not the {height} x {width} of their size"
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, np.asarray(runs, dtype=np.int64)).reshape((height, width), order="F")


def _size(size: Any) -> tuple[int, int]:
    """Return height and width.

    Raises:
        DataError: when they are not two whole numbers above 0, or of no image that fits a memory.
    """
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or any(type(n) is not int for n in size)
    ):
        raise DataError(f"the 'size' {str(size)[:40]} of a run-length code is not [height, width]")
    height, width = size
    if min(height, width) < 1 or height * width > LARGEST:
        raise DataError(f"the 'size' of a run-length code is {height} x {width}, no image's")
    return height, width


def decompress(counts: str | bytes) -> Sequence[int]:
    """Return the run lengths of a compressed string.

    Raises:
        DataError: when it has a character outside the code, or ends within a number.
    """
    codes = counts.encode(errors="surrogatepass") if isinstance(counts, str) else counts
    runs: list[int] = []
    value = shift = 0
    for code in codes:
        group = code - ZERO
        if not 0 <= group < 2 * MORE:
            raise DataError(f"character {chr(code)!r} is not in COCO's run-length code")
        value |= (group & (MORE - 1)) << shift
        shift += BITS
        if group & MORE:
            continue
        if group & SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("a run-length code ends within a number")
    return runs
