import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.data.auditing.frame_sample import KEPT, LAST, FrameSample, blocks_of, difference


@given(st.integers(1, 5000))
@settings(max_examples=25, deadline=None)
def test_a_sample_is_small_and_spread_and_has_the_end(frames):
    made = []

    def pixels(number):
        made.append(number)
        return np.full((8, 8, 3), number % 256, np.uint8)

    sample = FrameSample(pixels)
    for number in range(frames):
        sample.add(number, number)
    kept = sample.frames()
    assert list(kept) == sorted(kept)
    assert len(kept) <= KEPT + LAST
    assert set(range(max(0, frames - LAST), frames)) <= set(kept)
    assert all((blocks == number % 256).all() for number, blocks in kept.items())
    if frames <= KEPT:
        assert list(kept) == list(range(frames))
    else:  # each quarter has its share, within 4 standard deviations of the smallest sample
        quarters = np.bincount([number * 4 // frames for number in kept], minlength=4)
        assert quarters.min() >= len(kept) / 4 - 4 * np.sqrt(len(kept) * 3 / 16)
        assert len(kept) >= KEPT // 4
    assert len(made) <= KEPT * (2 + np.log2(max(frames / KEPT, 1))) * 2 + LAST


def test_blocks_see_what_moves_and_not_noise():
    rng = np.random.default_rng(0)
    frame = rng.integers(60, 90, (240, 320, 3)).astype(np.uint8)
    noisy = (frame + rng.integers(-2, 3, frame.shape)).astype(np.uint8)
    moved = frame.copy()
    moved[100:120, 100:120] = 200
    assert difference(blocks_of(frame), blocks_of(noisy)) <= 3
    assert difference(blocks_of(frame), blocks_of(moved)) > 50
    assert difference(blocks_of(frame), blocks_of(frame[:, ::2])) == float("inf")
