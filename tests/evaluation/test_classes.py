import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siammae.evaluation.scores.classes import class_rows, mean_iou
from siammae.system.errors import DataError

IDS = st.sampled_from([0, 1, 2, 3, 4, 5, 200, 255])
FRAMES = arrays(np.uint8, (2, 3, 4), elements=IDS)


def plain_iou(pairs, classes, ignore):
    """A confusion matrix filled pixel by pixel; ids out of range have a row and column apart."""
    table = np.zeros((classes + 1, classes + 1))
    for truth, predicted in pairs:
        for true, guess in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
            if true < classes and true not in ignore:
                table[true, min(guess, classes)] += 1
    ious = {}
    for number in range(classes):
        union = table[number].sum() + table[:, number].sum() - table[number, number]
        if union and number not in ignore:
            ious[number] = table[number, number] / union
    return ious


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FRAMES, FRAMES), min_size=1, max_size=3), st.sets(st.integers(0, 4)))
def test_equals_a_confusion_matrix_over_all_videos(pairs, ignore):
    rows = []
    for number, (truth, predicted) in enumerate(pairs):
        rows += class_rows(f"v{number}", truth, predicted, 5, ignore)
    mean, ious = mean_iou(rows)
    expected = plain_iou(pairs, 5, ignore)
    assert ious == pytest.approx(expected)
    assert list(ious) == sorted(expected)
    if expected:
        assert mean == pytest.approx(np.mean(list(expected.values())))
    else:
        assert np.isnan(mean)


def test_rows_by_hand():
    truth = np.array([[0, 0, 1, 255]])
    predicted = np.array([[0, 2, 1, 1]])  # the last pixel is void
    assert class_rows("a", truth, predicted, 4) == [
        {"video": "a", "class": 0, "intersection": 1, "union": 2},
        {"video": "a", "class": 1, "intersection": 1, "union": 1},
        {"video": "a", "class": 2, "intersection": 0, "union": 1},
    ]


def test_videos_are_summed_before_they_are_divided():
    """IoU 1 on one pixel and 0 on three: a quarter, not a half."""
    one = class_rows("a", np.array([1]), np.array([1]), 2)
    other = class_rows("b", np.array([1, 1, 1]), np.array([255, 255, 255]), 2)
    assert mean_iou(one + other) == (0.25, {1: 0.25})


def test_a_perfect_prediction_scores_exactly_one():
    truth = np.random.default_rng(0).integers(0, 20, (3, 7, 9))
    mean, ious = mean_iou(class_rows("a", truth, truth, 20))
    assert mean == 1.0
    assert set(ious.values()) == {1.0}


def test_negative_ids_do_not_wrap():
    rows = class_rows("a", np.array([-1, 3]), np.array([3, -1]), 4)
    assert rows == [{"video": "a", "class": 3, "intersection": 0, "union": 1}]


def test_shapes_must_agree():
    with pytest.raises(DataError, match=r"v7: predicted ids are \(2, 3\).*true ones \(2, 4\)"):
        class_rows("v7", np.zeros((2, 4)), np.zeros((2, 3)), 3)
