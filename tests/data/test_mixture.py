"""Mixtures: shares after any number of visits, order within parts, names, what is refused."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.data.sampling.mixture import MixedClips, Mixture, pattern
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.sequences import Sequences
from siammae.data.sets.videos import Videos
from siammae.system.errors import ConfigError, DataError
from siammae.tracking.signature import signature


class Numbered:
    """So many clips, visited in turn."""

    def __init__(self, clips):
        self.clips = clips

    def __len__(self):
        return self.clips

    def name(self, clip):
        return str(clip)

    def turn(self, seed, visit):
        return visit % self.clips


@given(weights=st.lists(st.integers(1, 60), min_size=1, max_size=7), visits=st.integers(1, 900))
def test_every_part_has_its_share_to_within_a_visit(weights, visits):
    clips = MixedClips({str(i): Numbered(3 + i) for i in range(len(weights))}, weights)
    seen = Counter(clips.name(clips.turn(0, visit)).split(": ")[0] for visit in range(visits))
    for part, weight in enumerate(weights):
        due = Fraction(visits * weight, sum(weights))
        assert abs(seen[str(part)] - due) < 1


@given(weights=st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_a_pattern_has_each_part_so_often_as_its_weight(weights):
    order, before = pattern(tuple(weights))
    assert np.bincount(order).tolist() == weights
    for part in range(len(weights)):
        assert before[order == part].tolist() == list(range(weights[part]))


@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    weights=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
def test_within_a_part_no_clip_comes_again_before_all_have_come(sizes, weights, seed):
    parts = {str(i): Numbered(size) for i, size in enumerate(sizes)}
    clips = MixedClips(parts, weights[: len(sizes)])
    turns = [clips.name(clips.turn(seed, visit)) for visit in range(200)]
    for part, size in enumerate(sizes):
        mine = [name for name in turns if name.startswith(f"{part}: ")]
        whole = [mine[i : i + size] for i in range(0, len(mine) // size * size, size)]
        assert all(len(set(one)) == size for one in whole)


def test_all_clips_have_a_number_and_a_name_of_their_own():
    clips = MixedClips({"a": Numbered(3), "b": Numbered(2)}, [1, 1])
    assert len(clips) == 5
    assert [clips.name(i) for i in range(5)] == ["a: 0", "a: 1", "a: 2", "b: 0", "b: 1"]


@pytest.fixture
def images(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.full((40, 56, 3), 20 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    return tmp_path / "images"


def mixture(clips, images, **arguments):
    parts = {
        "films": Videos(str(clips), short_side=None, workers=9),
        "images": Sequences(str(images), short_side=None, fps=10),
    }
    return Mixture(parts, **{"weights": {"films": 1, "images": 3}, **arguments})


def dataset(source, gap=4, unit="frames"):
    return PairDataset(source, SingleTarget(gap, gap_unit=unit), NoRotation(), PairAugment(32), 0)


def test_readers_give_the_shares(clips, images):
    batches = make_loader(dataset(mixture(clips, images)), 8, 0, 24, 0)
    drawn = [clip for batch in batches for clip in batch.clip.tolist()]
    assert sum(clip < 6 for clip in drawn) == 12  # a quarter of 48 pairs is of the six films


def test_seconds_are_each_parts_own_frames(clips, images):
    """Films of 30, images of 10 a second: half a second is 15 frames, or 5."""
    data = dataset(mixture(clips, images), 0.5, "seconds")
    samples = list(itertools.chain.from_iterable(data[visit].samples for visit in range(24)))
    assert {sample.gap[0] for sample in samples if sample.clip < 6} == {15}
    assert {sample.gap[0] for sample in samples if sample.clip >= 6} == {5}


def test_a_broken_clip_is_replaced_from_its_own_part_and_told_with_it(clips, images):
    (images / "two" / "3.png").write_bytes(b"no image")
    (images / "two" / "9.png").write_bytes(b"no image")
    data = dataset(mixture(clips, images, max_broken=1.0), 3)
    visits = [data[visit] for visit in range(60)]
    assert sum(visit.samples[0].clip >= 6 for visit in visits) == 45
    names = set().union(*(visit.broken for visit in visits))
    assert names == {f"images: {images / 'two'}"}


def test_the_order_of_parts_does_not_matter_and_their_ratios_do(clips, images):
    source = mixture(clips, images)
    turned = Mixture(dict(reversed(source.parts.items())), {"images": 0.75, "films": 0.25})
    assert source.fingerprint() == turned.fingerprint()
    one, other = source.footage(), turned.footage()
    names = [[each.name(each.turn(5, v)) for v in range(40)] for each in (one, other)]
    assert names[0] == names[1]
    weights = {"films": 1, "images": 2}
    assert mixture(clips, images, weights=weights).fingerprint() != source.fingerprint()


def test_a_change_of_a_part_is_another_set(clips, images):
    before = mixture(clips, images).fingerprint()
    Image.new("RGB", (56, 40), "red").save(images / "one" / "5.png")
    assert mixture(clips, images).fingerprint() != before


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"films": 1}, "data.weights lacks images"),
        ({"films": 1, "images": 1, "x": 1}, "data.weights.x: there is no such part"),
        ({"films": 0, "images": 1}, "data.weights.films=0: a number above 0"),
        ({"films": True, "images": 1}, "data.weights.films=True"),
        ({"films": float("inf"), "images": 1}, "data.weights.films=inf"),
        ({"films": 0.1234567, "images": 1}, "is no ratio of small numbers"),
    ],
)
def test_wrong_weights_are_refused_by_name(clips, images, weights, words):
    with pytest.raises(ConfigError, match=words):
        mixture(clips, images, weights=weights)


def test_no_part_says_how_to_name_some():
    for nothing in ({}, None):  # null in a configuration
        with pytest.raises(ConfigError, match=r"\+data@data.parts.NAME=OPTION"):
            Mixture(nothing, nothing)


def test_everything_that_is_missing_is_reported_with_its_key(tmp_path):
    gone = tmp_path / "data.set"
    source = Mixture({"a": Videos(str(gone)), "b": Sequences(str(gone))}, {"a": 1, "b": 1})
    with pytest.raises(DataError) as raised:
        source.footage()
    first, second = str(raised.value).splitlines()
    assert first.startswith(f"data.parts.a.root={gone}: no such folder")
    assert second.strip() == f"data.parts.b.root={gone}: no such folder"


def test_what_the_parts_say_in_vain_and_where_they_lie_leave_a_run_its_name():
    def config(**changed):
        part = {"root": "x", "workers": 1, "repeated_sampling": 2, "max_broken": 0.1, "fps": 3}
        part = {"_target_": "siammae.data.Sequences", **part, **changed}
        group = {"_target_": "siammae.data.Mixture", "weights": {"a": 1}, "parts": {"a": part}}
        return {"data": group}

    name = signature(config(), {})
    silent = {"root": "y", "workers": 3, "repeated_sampling": 4, "max_broken": 0.2}
    assert signature(config(**silent), {}) == name
    assert signature(config(fps=4), {}) != name
