"""Compares decord's reads after a seek with the frames of decoding from the start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from siammae.data.auditing.frame_sample import FrameSample, blocks_of, difference
from siammae.data.manifests.facts import DECORD, PYAV, Facts
from siammae.data.reading.video import UNSURE_FRAMES, decord_seeks_right, find_decord

TOGETHER = 4  # frames of one read: two pairs, as training takes them
# Grey levels that the mean of a block of pixels may differ by, for roundings of another FFmpeg than
# PyAV's. Right frames of real clips (H.264, HEVC, VP9, MPEG-4) differ by 0; the frame beside by 36
# and more in the median of most clips, by 3 in the stillest.
TOLERANCE = 2.0


def judge_seeking(path: Path, facts: Facts, sample: FrameSample, reads: int) -> Iterator[None]:
    """Choose decord or PyAV for the first ``facts.usable`` frames; yields as signs of life.

    Args:
        path: the file.
        facts: findings of decoding from the start; the choice is written there.
        sample: frames of decoding from the start.
        reads: number of reads, of four frames each, spread over the video at random. A file of
            which decord reads a share p of the frames wrongly passes with the chance
            (1 - p) ** (4 * reads).
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
    for batch in _batches(list(kept), reads):
        wrong |= _compare(reader, batch, kept)
        yield
        if min(wrong, default=usable) < usable - UNSURE_FRAMES:
            break  # it will not be decord, however the rest comes out
    _settle(facts, usable, length, wrong)
    if facts.reader == DECORD and not decord_seeks_right(path):
        # Seen with an .avi: the same read of the same frames is right at one time and wrong at
        # another, so that reads that came out right prove nothing.
        facts.judge(PYAV, usable, "decord is not to be relied on for such files")


def _batches(numbers: list[int], reads: int) -> Iterator[list[int]]:
    """Yield ascending groups of frame numbers: random ones, and each of the last two from afar.

    At the end decord may give the frame that it read before, but not after the frame beside it.
    """
    rng = np.random.default_rng(len(numbers))
    for _ in range(reads):
        drawn = rng.choice(numbers, min(TOGETHER, len(numbers)), replace=False)
        yield sorted(int(number) for number in drawn)
    for last in numbers[-UNSURE_FRAMES:]:
        before = numbers[len(numbers) // 2]
        yield [min(before, last), last] if before != last else [last]


def _compare(reader: Any, batch: list[int], kept: dict[int, np.ndarray]) -> dict[int, float]:
    """Return the frames of a read that are wrong, and by how many grey levels."""
    try:
        frames = reader.get_batch(batch).asnumpy()
    except Exception:  # of two unrelated kinds
        return dict.fromkeys(batch, float("inf"))
    apart = {
        n: difference(blocks_of(frame), kept[n]) for n, frame in zip(batch, frames, strict=True)
    }
    return {n: levels for n, levels in apart.items() if levels > TOLERANCE}


def _settle(facts: Facts, usable: int, length: int, wrong: dict[int, float]) -> None:
    """Write the choice into ``facts``; ``length`` is the number of frames that decord finds."""
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
