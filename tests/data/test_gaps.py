"""Gaps in frames and seconds, in clips of any rate of which not every frame may be stored."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.sampling.gaps import frames_of_unit, gap_range, stored_gap
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.several_targets import DIRECTIONS, SPACINGS, SeveralTargets
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import ClipSource

seeds = st.integers(0, 2**32)


class Counted:
    """A clip whose pixels are the frame's own number in the video."""

    def __init__(self, frames=60, fps=30.0, step=1):
        self.frames, self.fps, self.step = frames, fps, step

    def read(self, indices):
        numbers = np.array(indices, np.uint8) * self.step
        return np.broadcast_to(numbers[:, None, None, None], (len(numbers), 8, 8, 3)).copy()


class Given(ClipSource):
    """Clips from memory."""

    def __init__(self, *clips):
        super().__init__("", 4, None, 0, 1.0)
        self.clips = clips

    def footage(self):
        return self

    def __len__(self):
        return len(self.clips)

    def name(self, clip):
        return f"clip {clip}"

    def open(self, clip):
        return self.clips[clip]

    def turn(self, seed, visit):
        return visit % len(self.clips)


def dataset(targets, *clips):
    augment = PairAugment(8, (1.0, 1.0), (1.0, 1.0), flip=0.0)
    return PairDataset(Given(*clips), targets, NoRotation(), augment, 0)


@pytest.mark.parametrize(
    ("fps", "step", "stored"),
    [
        (30, 1, (4, 48)),  # the paper's gaps
        (25, 1, (3, 40)),
        (10, 1, (1, 16)),
        (30, 4, (1, 12)),
        (24, 2, (2, 19)),
        (1, 1, (1, 2)),  # never less than to the next frame
    ],
)
def test_seconds_are_the_clips_own_frames(fps, step, stored):
    clip = Counted(500, fps, step)
    scale = frames_of_unit("seconds", clip, "clip")
    targets, rng = SingleTarget([0.13, 1.6], gap_unit="seconds"), np.random.default_rng(0)
    drawn = {int(np.diff(targets.draw(rng, 500, scale).frames)[0]) for _ in range(2000)}
    assert drawn == set(range(stored[0], stored[1] + 1))


def test_frames_are_those_of_the_video_where_every_fourth_is_stored():
    targets, rng = SingleTarget([4, 48]), np.random.default_rng(0)
    scale = frames_of_unit("frames", Counted(step=4), "clip")
    drawn = {int(np.diff(targets.draw(rng, 100, scale).frames)[0]) for _ in range(2000)}
    assert drawn == set(range(1, 13))
    assert stored_gap(1, scale) == 1


@pytest.mark.parametrize("unit", ["frames", "seconds"])
def test_the_gap_that_is_reported_is_of_the_videos_frames(unit):
    """Also where the unit is seconds: what the decoder is told means the same in both."""
    gap = [4, 24] if unit == "frames" else [0.4, 2.4]
    targets = SeveralTargets(gap, 3, "even", "both", gap_unit=unit)
    data = dataset(targets, Counted(60, 10, 4))
    seen = set()
    for sample in itertools.chain.from_iterable(data[visit].samples for visit in range(8)):
        first, *others = (int(frame[0, 0, 0]) for frame in sample.frames)
        assert sample.gap == [other - first for other in others]
        assert all(gap % 4 == 0 for gap in sample.gap)
        assert sample.gap[1] == -sample.gap[0]
        seen.add(sample.gap[0])
    assert seen <= {4, 8, 12, 16, 20, 24}
    assert len(seen) > 2


@given(
    low=st.integers(1, 30), more=st.integers(0, 30), frames=st.integers(7, 300), seed=seeds,
    count=st.integers(1, 4), spacing=st.sampled_from(SPACINGS),
    direction=st.sampled_from(DIRECTIONS),
)  # fmt: skip
def test_a_range_in_seconds_draws_what_its_frames_draw(
    low, more, frames, seed, count, spacing, direction
):
    """At 10 frames a second tenths of seconds are frames, from the same draws, short clips too."""
    assume(count > 1 or direction != "both")  # one target has no two sides
    more = max(more, count)
    options = {"count": count, "spacing": spacing, "direction": direction}
    counted = SeveralTargets([low, low + more], **options)
    timed = SeveralTargets([low / 10, (low + more) / 10], **options, gap_unit="seconds")
    rngs = [np.random.default_rng(seed) for _ in range(2)]
    scale = frames_of_unit("seconds", Counted(frames, 10.0), "clip")
    assert timed.draw(rngs[0], frames, scale) == counted.draw(rngs[1], frames)
    assert str(rngs[0].bit_generator.state) == str(rngs[1].bit_generator.state)


@given(
    low=st.floats(0.01, 2), more=st.floats(0, 2), fps=st.floats(1, 120), step=st.integers(1, 8),
    frames=st.integers(2, 400), seed=seeds,
)  # fmt: skip
def test_a_drawn_gap_is_the_nearest_to_the_range(low, more, fps, step, frames, seed):
    scale = frames_of_unit("seconds", Counted(frames, fps, step), "clip")
    targets = SingleTarget([low, low + more], gap_unit="seconds")
    one, other = targets.draw(np.random.default_rng(seed), frames, scale).frames
    assert 0 <= one < other < frames
    half = 0.5 / scale + 1e-9  # of a stored frame, in seconds
    seconds = (other - one) * step / fps
    assert seconds <= max(low + more + half, 1 / scale + 1e-9)
    assert seconds >= low - half or other - one == frames - 1


def test_a_clip_without_a_rate_is_broken_by_name_in_seconds_only():
    clips = Counted(fps=None), Counted()
    timed = dataset(SingleTarget(0.5, gap_unit="seconds"), *clips)[0]
    assert timed.broken == {
        "clip 0": "clip 0 has no frame rate, and frame_gap_unit=seconds needs one; data.fps=N "
        "gives that of folders of images"
    }
    assert {sample.clip for sample in timed.samples} == {1}
    assert not dataset(SingleTarget(4), *clips)[0].broken


def test_too_few_random_gaps_at_a_clips_rate_break_that_clip():
    targets = SeveralTargets([0.1, 0.5], 3, "random", gap_unit="seconds")
    visit = dataset(targets, Counted(fps=4), Counted(fps=10))[0]
    assert visit.broken == {
        "clip 0": "clip 0: targets.spacing=random draws 3 different gaps, and frame_gap=[0.1, 0.5] "
        "seconds has 2 at the clip's rate"
    }
    assert {sample.clip for sample in visit.samples} == {1}


@pytest.mark.parametrize(
    ("gap", "unit", "words"),
    [
        (0.5, "frames", "must be an int >= 1"),
        ([4, 4.5], "frames", "must be an int >= 1"),
        (0, "seconds", "a number > 0"),
        ([0.5, 0.1], "seconds", "0 < lo <= hi"),
        (float("inf"), "seconds", "a number > 0"),
        (float("nan"), "seconds", "a number > 0"),
        (True, "seconds", "a number > 0"),
        ([1, 2, 3], "seconds", "lo, hi"),
        (4, "minutes", "gap_unit 'minutes' is none of frames, seconds"),
    ],
)
def test_senseless_gaps_are_refused(gap, unit, words):
    with pytest.raises(ValueError, match=words):
        gap_range(gap, unit)
