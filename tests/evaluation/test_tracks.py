"""J and F of tracks, on scenes small enough to count by hand."""

import numpy as np
import pytest

from siammae.evaluation.scores.davis import contour_accuracy
from siammae.evaluation.scores.tracks import Scene, track_rows, track_total
from siammae.system.errors import DataError

SHAPE = (10, 12)


def box(top, bottom, left, right):
    mask = np.zeros(SHAPE, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_figures_by_hand():
    start, moved = box(2, 6, 2, 6), box(2, 6, 4, 8)
    scenes = [
        Scene({7: start}, {7: start}),
        Scene({7: moved}, {7: start}),  # 8 of 24 pixels
        Scene({}, {7: start}),  # gone, yet predicted
        Scene({}, {}),  # gone, and not predicted
        Scene({7: moved}, {}),  # back, and missed
        Scene({7: moved}, {7: moved}),
    ]
    (row,) = track_rows("v", scenes)
    j = [8 / 24, 0, 1, 0, 1]
    f = [contour_accuracy(moved[None], start[None])[0], 0, 1, 0, 1]
    assert (row["video"], row["object"], row["frames"], row["covered"]) == ("v", 7, 4, 1)
    assert row["J-Mean"] == pytest.approx(np.mean(j))
    assert row["J-Recall"] == pytest.approx(2 / 5)
    assert row["F-Mean"] == pytest.approx(np.mean(f))
    assert row["J-Visible"] == pytest.approx((8 / 24 + 0 + 1) / 3)
    assert row["F-Visible"] == pytest.approx((f[0] + 0 + 1) / 3)


def test_the_last_frame_counts():
    mask = box(0, 4, 0, 4)
    (row,) = track_rows("v", [Scene({1: mask}, {1: mask})] * 2 + [Scene({1: mask}, {})])
    assert row["J-Mean"] == 0.5


def test_objects_that_enter_later_are_counted_only():
    first, later = box(0, 4, 0, 4), box(5, 9, 5, 9)
    both = Scene({1: first, 300: later}, {1: first})
    rows = track_rows("v", [Scene({1: first}, {1: first}), both, both, Scene({300: later}, {})])
    assert [(row["object"], row["frames"], row["covered"]) for row in rows] == [
        (1, 3, 1),
        (300, 3, 0),
    ]
    assert "J-Mean" not in rows[1]
    figures = track_total(rows)
    assert figures["coverage-objects"] == 0.5
    assert figures["coverage-frames"] == 0.5
    assert figures["J&F-Mean"] == figures["J-Mean"] == 1


def test_an_empty_mask_is_no_object():
    mask = box(0, 4, 0, 4)
    nothing = np.zeros(SHAPE, bool)
    rows = track_rows("v", [Scene({1: mask, 2: nothing}, {1: mask}), Scene({1: mask}, {1: mask})])
    assert [row["object"] for row in rows] == [1]


def test_ignored_pixels_are_in_neither_mask():
    true, guess, ignored = box(0, 4, 0, 4), box(0, 4, 0, 8), box(0, 10, 4, 12)
    start = Scene({1: true}, {1: true})
    (row,) = track_rows("v", [start, Scene({1: true}, {1: guess}, ignored)])
    assert row["J-Mean"] == row["F-Mean"] == 1
    (row,) = track_rows("v", [start, Scene({1: true}, {1: guess})])
    assert row["J-Mean"] == 0.5
    assert row["F-Mean"] < 1
    (row,) = track_rows("v", [start, Scene({1: guess}, {1: true}, ignored)])
    assert row["J-Mean"] == 1


def test_objects_may_overlap():
    large, small = box(0, 8, 0, 8), box(2, 4, 2, 4)
    scene = Scene({1: large, 2: small}, {1: large & ~small, 2: small})
    rows = track_rows("v", [scene, scene])
    assert [row["J-Mean"] for row in rows] == [pytest.approx(60 / 64), 1]


def test_totals_are_over_objects_not_videos():
    mask = box(0, 4, 0, 4)
    good = track_rows(
        "a", [Scene(dict.fromkeys((1, 2, 3), mask), dict.fromkeys((1, 2, 3), mask))] * 2
    )
    bad = track_rows("b", [Scene({1: mask}, {})] * 2)
    assert track_total([*good, *bad])["J-Mean"] == 0.75


def test_what_cannot_be_scored():
    mask = box(0, 4, 0, 4)
    with pytest.raises(DataError, match="v has one frame"):
        track_rows("v", [Scene({1: mask}, {1: mask})])
    small = Scene({1: mask}, {1: np.ones((3, 3), bool)})
    with pytest.raises(DataError, match=r"predicted mask is \(3, 3\).*the true one \(10, 12\)"):
        track_rows("v", [small, small])
    late = track_rows("v", [Scene({}, {}), Scene({1: mask}, {})])
    with pytest.raises(DataError, match="nothing to follow"):
        track_total(late)
