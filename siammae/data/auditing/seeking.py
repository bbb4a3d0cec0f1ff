"""Whether decord's reads after a seek give the frames of straight decoding."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from siammae.data.auditing.facts import DECORD, PYAV, Facts
from siammae.data.auditing.sample import FrameSample, blocks_of, difference
from siammae.data.video import UNSURE_FRAMES, decord_seeks_right, find_decord

TOGETHER = 4  # frames of one read: two pairs, as training takes them
MORE = 4  # times as many reads where decord is known to go wrong
# Grey levels that the mean of a block of pixels may differ by. Right frames of 48 real clips and of
# all codecs tried differ by 0 to 2 (decord's copy of FFmpeg is older than PyAV's), the frame beside
# by 36 to 220 in the median clip; where that is below the tolerance, nothing moves.
TOLERANCE = 6.0


def judge_seeking(path: Path, facts: Facts, sample: FrameSample, reads: int) -> Iterator[None]:
    """Choose decord or PyAV for the first ``facts.usable`` frames; yields as signs of life.

    Args:
        path: of the file.
        facts: of straight decoding.
        sample: frames of straight decoding.
        reads: of four frames each, spread over the video at random; a file of which a share p of
            frames comes out wrong passes with the chance (1 - p) ** (4 * reads).
    """
    usable = facts.usable
    decord = find_decord()
    if decord is None:
        facts.judge(PYAV, usable, "decord is not installed")
        return
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        length = len(reader)
    except (decord.DECORDError, RuntimeError):
        facts.judge(PYAV, usable, "decord cannot open it")
        return
    yield
    kept = {n: blocks for n, blocks in sample.frames().items() if n < min(usable, length)}
    wrong: dict[int, float] = {}
    for batch in _batches(list(kept), reads if decord_seeks_right(path) else reads * MORE):
        wrong |= _compare(reader, batch, kept)
        yield
        if min(wrong, default=usable) < usable - UNSURE_FRAMES:
            break  # it will not be decord, however the rest comes out
    _settle(facts, usable, length, wrong)


def _batches(numbers: list[int], reads: int) -> Iterator[list[int]]:
    """Ascending groups of frame numbers: at random, and the last ones, which go wrong first."""
    rng = np.random.default_rng(len(numbers))
    for _ in range(reads):
        drawn = rng.choice(numbers, min(TOGETHER, len(numbers)), replace=False)
        yield sorted(int(number) for number in drawn)
    last = numbers[-TOGETHER:]
    yield [numbers[0], *last] if numbers[0] not in last else last


def _compare(reader: Any, batch: list[int], kept: dict[int, np.ndarray]) -> dict[int, float]:
    """Frames of a read that are not the right ones, and by how much."""
    try:
        frames = reader.get_batch(batch).asnumpy()
    except Exception:  # of two unrelated kinds
        return dict.fromkeys(batch, float("inf"))
    apart = {
        n: difference(blocks_of(frame), kept[n]) for n, frame in zip(batch, frames, strict=True)
    }
    return {n: levels for n, levels in apart.items() if levels > TOLERANCE}


def _settle(facts: Facts, usable: int, length: int, wrong: dict[int, float]) -> None:
    right = min([usable, length, *wrong])
    facts.seek_equal = not wrong
    if right >= max(2, usable - UNSURE_FRAMES):
        note = f"decord reads {right} of {usable} frames rightly" if right < usable else ""
        facts.judge(DECORD, right, note)
    elif wrong:
        first = min(wrong)
        levels = wrong[first]
        how = "cannot be read" if levels == float("inf") else f"is wrong by {levels:.0f} levels"
        facts.judge(PYAV, usable, f"decord: frame {first} {how} after a seek")
    else:
        facts.judge(PYAV, usable, f"decord finds only {length} of {usable} frames")
