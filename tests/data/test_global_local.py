"""CropMAE's views: what lies in what, how large, mirrored each on its own."""

import numpy as np
import pytest

from siammae.data.augment.global_local import GlobalLocal
from siammae.data.sampling.same_frame import SameFrame


def drawn(times=400, shape=(90, 120), **more):
    augment, rng = GlobalLocal(32, **more), np.random.default_rng(0)
    return [augment.draw(rng, 2, *shape) for _ in range(times)]


def contains(outer, inner):
    return (
        outer.top <= inner.top
        and outer.left <= inner.left
        and inner.top + inner.height <= outer.top + outer.height
        and inner.left + inner.width <= outer.left + outer.width
    )


def area(box):
    return box.height * box.width


def test_the_local_crop_is_a_part_of_the_global_one_and_is_restored():
    for one in drawn():
        given, restored = one.boxes
        assert contains(given, restored)
        assert 0.48 < area(given) / (90 * 120) < 1.02
        # A side that would be longer than the global crop's is cut to it, as in the authors' code.
        assert 0.25 < area(restored) / area(given) < 0.62


def test_local_to_global_gives_the_small_crop():
    assert all(contains(one.boxes[1], one.boxes[0]) for one in drawn(views="local_to_global"))


def test_random_views_are_two_global_crops_and_same_views_are_one():
    two = drawn(views="random")
    assert {one.boxes[0] == one.boxes[1] for one in two} == {False}
    assert all(0.48 < area(box) / (90 * 120) < 1.02 for one in two for box in one.boxes)
    for one in drawn(views="same"):
        assert one.boxes[0] == one.boxes[1]
        assert one.flip[0] == one.flip[1]


def test_views_are_mirrored_each_on_its_own():
    flips = np.array([one.flip for one in drawn()])
    assert flips.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.08)
    assert (flips[:, 0] == flips[:, 1]).mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("more", "words"),
    [({"views": "all"}, "views 'all' is none of"), ({"local_scale": [0.6, 0.3]}, "local_scale")],
)
def test_wrong_values_are_refused(more, words):
    with pytest.raises(ValueError, match=words):
        GlobalLocal(32, **more)


def test_one_view_is_not_two():
    with pytest.raises(ValueError, match="a global and a local crop are two"):
        drawn(times=1, shape=(9, 9)) and GlobalLocal(32).draw(np.random.default_rng(0), 1, 9, 9)


def test_a_frame_is_drawn_once_for_all_views():
    rng = np.random.default_rng(0)
    frames = [SameFrame(3).draw(rng, 7).frames for _ in range(300)]
    assert {len(set(views)) for views in frames} == {1}
    assert {views[0] for views in frames} == set(range(7))
    assert SameFrame(1).draw(rng, 1) == ([0], False)
