import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.data.augment.rotation import NoRotation
from siammae.data.sampling.targets import SingleTarget


@given(
    low=st.integers(1, 60),
    more=st.integers(0, 60),
    frames=st.integers(2, 200),
    seed=st.integers(0, 2**32),
)
def test_a_pair_is_inside_the_clip_with_a_gap_in_range(low, more, frames, seed):
    offsets = SingleTarget([low, low + more]).draw(np.random.default_rng(seed), frames)
    past, future = offsets.frames
    assert 0 <= past < future < frames
    assert future - past <= low + more
    if not offsets.short:
        assert future - past >= low
    else:
        assert future - past == frames - 1 < low + more


@given(gap=st.integers(1, 48), seed=st.integers(0, 1000))
def test_an_int_is_exactly_that_gap(gap, seed):
    past, future = SingleTarget(gap).draw(np.random.default_rng(seed), 100).frames
    assert future - past == gap


def test_both_ends_of_the_range_are_drawn_and_all_alike():
    rng = np.random.default_rng(0)
    target = SingleTarget([4, 8])
    gaps = [np.diff(target.draw(rng, 500).frames)[0] for _ in range(5000)]
    values, counts = np.unique(gaps, return_counts=True)
    assert values.tolist() == [4, 5, 6, 7, 8]
    assert counts.min() > 850


def test_every_start_that_leaves_room_is_drawn():
    rng = np.random.default_rng(0)
    starts = {SingleTarget(4).draw(rng, 10).frames[0] for _ in range(500)}
    assert starts == set(range(6))


@given(
    gap=st.tuples(st.integers(1, 40), st.integers(0, 40)),
    frames=st.integers(2, 200),
    seed=st.integers(0, 2**32),
)
def test_the_past_from_the_future_is_the_same_pair_turned_round(gap, frames, seed):
    gap = [gap[0], sum(gap)]
    rngs = [np.random.default_rng(seed) for _ in range(3)]
    ahead = SingleTarget(gap, "future").draw(rngs[0], frames)
    back = SingleTarget(gap, "past").draw(rngs[1], frames)
    assert back.frames == ahead.frames[::-1]
    assert back.short == ahead.short
    # The draws of before there was a direction, written out; no more is taken from the generator.
    drawn = min(int(rngs[2].integers(gap[0], gap[1] + 1)), frames - 1)
    start = int(rngs[2].integers(0, frames - drawn))
    assert ahead.frames == [start, start + drawn]
    assert len({str(rng.bit_generator.state) for rng in rngs}) == 1


@pytest.mark.parametrize("direction", ["backwards", None, True])
def test_a_direction_is_future_or_past(direction):
    with pytest.raises(ValueError, match="is neither 'future' nor 'past'"):
        SingleTarget(4, direction)


@pytest.mark.parametrize("gap", [0, -3, [0, 4], [8, 4]])
def test_senseless_gaps_are_refused(gap):
    with pytest.raises(ValueError, match="must be an int >= 1 or"):
        SingleTarget(gap)


def test_no_rotation_is_no_rotation():
    assert NoRotation().draw(np.random.default_rng(0), 3).tolist() == [0, 0, 0]
