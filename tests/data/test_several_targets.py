"""Which frames several targets are, and what the loader makes of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.sampling.batch import collate
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.several_targets import DIRECTIONS, SPACINGS, SeveralTargets
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError

settings_of = st.fixed_dictionaries(
    {
        "count": st.integers(1, 6),
        "spacing": st.sampled_from(SPACINGS),
        "direction": st.sampled_from(DIRECTIONS),
    }
).filter(lambda given: given["count"] > 1 or given["direction"] != "both")
seeds = st.integers(0, 2**32)


def gaps_of(offsets):
    given, *others = offsets.frames
    return [other - given for other in others]


def distances_of(gaps, direction):
    """The distances behind signed gaps, told apart by the direction as it is documented."""
    if direction == "both":
        assert gaps[1::2] == [-gap for gap in gaps[::2]][: len(gaps) // 2]
        return gaps[::2]
    return [-gap for gap in gaps] if direction == "past" else gaps


@given(settings=settings_of, low=st.integers(1, 30), more=st.integers(6, 30), seed=seeds,
       frames=st.integers(1, 400))  # fmt: skip
def test_frames_are_in_the_clip_apart_and_ascending(settings, low, more, seed, frames):
    targets = SeveralTargets([low, low + more], **settings)
    rng = np.random.default_rng(seed)
    if frames < settings["count"] + 1:
        with pytest.raises(DataError, match=f"targets.count={settings['count']} needs"):
            targets.draw(rng, frames)
        return
    offsets = targets.draw(rng, frames)
    assert len(offsets.frames) == settings["count"] + 1
    assert len(set(offsets.frames)) == len(offsets.frames)
    assert all(0 <= index < frames for index in offsets.frames)
    distances = distances_of(gaps_of(offsets), settings["direction"])
    assert all(one < other for one, other in itertools.pairwise([0, *distances]))
    if not offsets.short:
        assert low <= distances[0] <= low + more
        steps = {
            "even": [distances[0] * i for i in range(1, len(distances) + 1)],
            "doubling": [distances[0] * 2**i for i in range(len(distances))],
        }
        if settings["spacing"] == "random":
            assert distances[-1] <= low + more
        elif settings["spacing"] == "chained":
            each = np.diff([0, *distances])
            assert each.min() >= low
            assert each.max() <= low + more
        else:
            assert distances == steps[settings["spacing"]]


@given(settings=settings_of, gap=st.integers(7, 40), seed=seeds, data=st.data())
def test_a_short_clip_is_used_to_the_full_and_in_proportion(settings, gap, seed, data):
    targets = SeveralTargets([gap, gap + 8], **settings)
    wide = targets.draw(np.random.default_rng(seed), 100_000)
    wanted = distances_of(gaps_of(wide), settings["direction"])
    span = max(wide.frames) - min(wide.frames)
    frames = data.draw(st.integers(settings["count"] + 1, span))
    short = targets.draw(np.random.default_rng(seed), frames)
    assert short.short
    assert not wide.short
    assert not targets.draw(np.random.default_rng(seed), span + 1).short
    got = distances_of(gaps_of(short), settings["direction"])
    used = max(short.frames) - min(short.frames)
    # Of both sides each rounds down.
    assert frames - 1 - used <= (1 if settings["direction"] == "both" else 0)
    factor = (frames - 1 - settings["count"]) / (span - settings["count"])
    for i, (now, before) in enumerate(zip(got, wanted, strict=True), start=1):
        assert i + (before - i) * factor - 1 < now <= i + (before - i) * factor + 1e-6


@given(
    gap=st.tuples(st.integers(1, 40), st.integers(0, 40)),
    frames=st.integers(2, 200),
    seed=seeds,
    direction=st.sampled_from(["future", "past"]),
    spacing=st.sampled_from(SPACINGS),
)
def test_one_of_several_is_the_single_target(gap, frames, seed, direction, spacing):
    gap = [gap[0], sum(gap)]
    rngs = [np.random.default_rng(seed) for _ in range(2)]
    one = SeveralTargets(gap, 1, spacing, direction).draw(rngs[0], frames)
    single = SingleTarget(gap, direction).draw(rngs[1], frames)
    assert one == single
    assert str(rngs[0].bit_generator.state) == str(rngs[1].bit_generator.state)


def test_random_gaps_are_every_set_alike():
    targets, rng = SeveralTargets([4, 8], 2, "random"), np.random.default_rng(0)
    drawn = [tuple(gaps_of(targets.draw(rng, 100))) for _ in range(4000)]
    values, counts = np.unique(drawn, axis=0, return_counts=True)
    assert [tuple(pair) for pair in values] == list(itertools.combinations(range(4, 9), 2))
    assert counts.min() > 320
    assert counts.max() < 480


def test_on_both_sides_every_place_that_leaves_room_is_drawn():
    targets, rng = SeveralTargets(2, 3, direction="both"), np.random.default_rng(0)
    drawn = [targets.draw(rng, 10) for _ in range(500)]
    assert {tuple(gaps_of(offsets)) for offsets in drawn} == {(2, -2, 4)}
    assert {offsets.frames[0] for offsets in drawn} == {2, 3, 4, 5}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gap": 0}, "gap 0 must be an int >= 1"),
        ({"gap": [9, 4]}, "gap .* with 1 <= lo <= hi"),
        ({"count": 0}, "count 0 must be at least 1"),
        ({"spacing": "wide"}, "spacing 'wide' is none of even, random, doubling"),
        ({"direction": "up"}, "direction 'up' is none of future, past, both"),
        ({"gap_embedding": "table"}, "gap_embedding 'table' is none of none, sincos, learned"),
        ({"loss_gap_power": float("nan")}, "loss_gap_power nan is no finite number"),
        ({"spacing": "random", "gap": 4}, "draws 2 different gaps from frame_gap=4, which has 1"),
        ({"spacing": "random", "gap": [4, 5], "count": 3}, "draws 3 different gaps"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings, words):
    with pytest.raises(ValueError, match=words):
        SeveralTargets(**{"gap": [4, 48], **settings})


def test_the_loader_reads_all_frames_with_signed_gaps(clips, read_number):
    class Whole(PairAugment):
        def draw(self, rng, frames, height, width):
            drawn = super().draw(rng, frames, height, width)
            return drawn._replace(
                boxes=[box._replace(top=0, left=0, height=height, width=width)
                       for box in drawn.boxes], flip=False,
            )  # fmt: skip

    source, targets = Videos(str(clips), short_side=None), SeveralTargets([3, 6], 3, "even", "both")
    data = PairDataset(source, targets, NoRotation(), Whole(32), 0)
    visits = [data[visit] for visit in range(6)]
    for sample in (sample for visit in visits for sample in visit.samples):
        given, *others = (read_number(frame) for frame in sample.frames)
        assert [other - given for other in others] == sample.gap
        assert sample.gap[1] == -sample.gap[0]
        assert sample.gap[2] == 2 * sample.gap[0]
    batch = collate(visits)
    assert batch.frames.shape[1] == batch.size.shape[1] == batch.angle.shape[1] == 4
    assert batch.gap.shape == (batch.frames.shape[0], 3)
    assert (batch.gap < 0).any()


def test_a_clip_without_a_frame_for_each_target_is_broken_with_a_reason(clips):
    source = Videos(str(clips), short_side=None)
    targets = SeveralTargets(1, 500)
    visit = PairDataset(source, targets, NoRotation(), PairAugment(32), 0)[0]
    assert visit.samples == []
    assert all("targets.count=500 needs 501" in reason for reason in visit.broken.values())
