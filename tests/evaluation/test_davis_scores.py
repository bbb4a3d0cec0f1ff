"""The official formulas, written out pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.evaluation.scores.davis import (
    METRICS,
    boundary,
    contour_accuracy,
    region_similarity,
    score_sequence,
    statistics,
    total,
)
from siammae.system.errors import DataError


def reference_boundary(mask):
    """A pixel that differs from its right, lower or lower-right neighbour."""
    height, width = mask.shape
    edge = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            if y < height - 1 and x < width - 1:
                others = [mask[y, x + 1], mask[y + 1, x], mask[y + 1, x + 1]]
            elif y < height - 1:
                others = [mask[y + 1, x]]
            elif x < width - 1:
                others = [mask[y, x + 1]]
            else:
                others = []
            edge[y, x] = any(other != mask[y, x] for other in others)
    return edge


def reference_f(truth, predicted):
    """Contour pixels within the tolerance of the other contour, one by one."""
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    true_edge = np.argwhere(reference_boundary(truth))
    edge = np.argwhere(reference_boundary(predicted))
    if len(true_edge) == 0 and len(edge) == 0:
        return 1.0
    if len(true_edge) == 0 or len(edge) == 0:
        return 0.0
    distances = ((edge[:, None] - true_edge[None]) ** 2).sum(-1)
    precision = (distances.min(1) <= radius**2).mean()
    recall = (distances.min(0) <= radius**2).mean()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def blobs(seed, frames=3, height=40, width=52):
    """Masks of random ellipses, some empty."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    masks = []
    for _ in range(frames):
        cy, cx, ry, rx = rng.uniform([0, 0, 0, 0], [height, width, height / 2, width / 2])
        masks.append(((y - cy) / max(ry, 0.1)) ** 2 + ((x - cx) / max(rx, 0.1)) ** 2 < 1)
    return np.stack(masks)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_j_and_f_by_the_formulas(seed):
    truth, predicted = blobs(seed), blobs(seed + 1)
    for t in range(3):
        assert np.array_equal(boundary(truth[t]), reference_boundary(truth[t]))
    expected_f = [reference_f(t, p) for t, p in zip(truth, predicted, strict=True)]
    np.testing.assert_allclose(contour_accuracy(truth, predicted), expected_f, atol=1e-9)
    expected_j = []
    for t, p in zip(truth, predicted, strict=True):
        union = (t | p).sum()
        expected_j.append(1.0 if union == 0 else (t & p).sum() / union)
    np.testing.assert_allclose(region_similarity(truth, predicted), expected_j, atol=1e-12)


@pytest.mark.parametrize("size", [(480, 854), (480, 910), (480, 1152)])
def test_f_at_the_sizes_of_davis(size):
    """With the tolerance of 8 pixels and more, against distances in float64."""
    from scipy.ndimage import distance_transform_edt

    truth, predicted = blobs(3, 1, *size)[0], np.roll(blobs(3, 1, *size)[0], 9, 1)
    radius = math.ceil(0.008 * math.hypot(*size))
    edges = boundary(truth), boundary(predicted)
    near = [distance_transform_edt(~edge) <= radius for edge in edges]
    precision = near[0][edges[1]].mean()
    recall = near[1][edges[0]].mean()
    expected = 2 * precision * recall / (precision + recall)
    assert contour_accuracy(truth[None], predicted[None])[0] == pytest.approx(expected, abs=1e-9)


def test_a_bound_from_one_on_is_in_pixels():
    truth = np.zeros((1, 60, 80), bool)
    truth[0, 20:40, 20:40] = True
    for shift, bound, expected in ((3, 3, 1.0), (3, 2, None), (3, 0.03, 1.0)):
        value = contour_accuracy(truth, np.roll(truth, shift, axis=2), bound)[0]
        assert value == 1.0 if expected else value < 1.0


def test_empty_masks():
    empty, full = np.zeros((1, 9, 9), bool), np.ones((1, 9, 9), bool)
    some = empty.copy()
    some[0, 3:6, 3:6] = True
    assert region_similarity(empty, empty) == contour_accuracy(empty, empty) == 1
    assert region_similarity(some, empty) == contour_accuracy(some, empty) == 0
    assert contour_accuracy(empty, some) == 0
    assert region_similarity(full, full) == 1


def test_statistics_by_hand():
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    result = statistics(values)
    assert result.mean == pytest.approx(0.5)
    assert result.recall == pytest.approx(4 / 9)  # 0.5 itself is not above 0.5
    assert result.decay == pytest.approx(np.mean([0.9, 0.8, 0.7]) - np.mean([0.3, 0.2, 0.1]))


@given(length=st.integers(1, 600), seed=st.integers(0, 100))
@settings(deadline=None)
def test_decay_by_the_official_quarters(length, seed):
    values = np.random.default_rng(seed).random(length)
    edges = [round(1 + (length - 1) * i / 4 + 1e-10) - 1 for i in range(5)]
    expected = values[edges[0] : edges[1] + 1].mean() - values[edges[3] : edges[4] + 1].mean()
    assert statistics(values).decay == pytest.approx(expected, abs=1e-12)


def test_nan_is_left_out():
    assert statistics(np.array([np.nan, 0.4, 0.8])).mean == pytest.approx(0.6)
    assert math.isnan(statistics(np.full(4, np.nan)).mean)


def sequence():
    """Two objects over five frames: the first is found, the second half so; 255 is void."""
    truth = np.zeros((5, 20, 24), int)
    truth[:, 2:8, 2:8], truth[:, 10:16, 10:16] = 1, 2
    truth[:, 0, :] = 255
    predicted = np.where(truth == 255, 0, truth)
    predicted[:, 10:13, 10:16] = 0
    return truth, predicted


def test_scores_are_by_object_without_first_and_last_frame():
    truth, predicted = sequence()
    predicted[0], predicted[-1] = 0, 0  # neither counts
    rows = score_sequence("name", truth, predicted)
    assert [(row["sequence"], row["object"]) for row in rows] == [("name", 1), ("name", 2)]
    assert rows[0]["J-Mean"] == 1
    assert rows[1]["J-Mean"] == pytest.approx(0.5)
    means = total(rows)
    assert list(means) == ["J&F-Mean", *METRICS]
    assert means["J-Mean"] == pytest.approx(0.75)
    assert means["J&F-Mean"] == pytest.approx((means["J-Mean"] + means["F-Mean"]) / 2)


def test_an_object_that_the_prediction_lacks_is_empty():
    truth, predicted = sequence()
    rows = score_sequence("name", truth, np.where(predicted == 2, 0, predicted))
    assert rows[1]["J-Mean"] == rows[1]["F-Mean"] == 0


def test_objects_are_those_of_the_first_mask():
    truth, predicted = sequence()
    truth[2, 18, 18] = 3  # appears later: the official task does not know it
    assert len(score_sequence("name", truth, predicted)) == 2


def test_ids_in_the_first_and_last_prediction_do_not_count():
    truth, predicted = sequence()
    predicted[0, 0, 0] = predicted[-1, 0, 0] = 9
    assert len(score_sequence("name", truth, predicted)) == 2


def test_void_counts_as_background():
    truth, predicted = sequence()
    predicted[:, 0, :6] = 1  # in the void row: six pixels too many
    assert score_sequence("name", truth, predicted)[0]["J-Mean"] == pytest.approx(36 / 42)


def test_what_does_not_fit_is_named():
    truth, predicted = sequence()
    predicted[1, 0, 0] = 3
    with pytest.raises(DataError, match="name: predicted id 3, but its objects are 1 to 2"):
        score_sequence("name", truth, predicted)
    with pytest.raises(DataError, match="name: predicted masks are"):
        score_sequence("name", truth, predicted[:, :10])
    with pytest.raises(DataError, match="holds no object"):
        score_sequence("name", np.zeros_like(truth), predicted)
    with pytest.raises(DataError, match="without first and last none is left"):
        score_sequence("name", truth[:2], predicted[:2])
