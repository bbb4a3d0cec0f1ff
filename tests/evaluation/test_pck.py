import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.data.built_in.label_names import JOINTS
from siammae.evaluation.scores.pck import score_clip, total
from siammae.system.errors import DataError


def plain_pck(clips, threshold, customary):
    """Joint by joint, frame by frame, as one would write it down from the text."""
    shares = []
    for j in range(15):
        right = counted = 0
        for truth, predicted in clips:
            for t in range(1, truth.shape[2]):
                lost = np.isnan(predicted[:, :, t]).any(axis=0)
                if customary and lost[j]:
                    continue
                counted += 1
                boxed = [i for i in range(15) if not (customary and lost[i])]
                xs, ys = truth[0, boxed, t], truth[1, boxed, t]
                size = 0.6 * np.hypot(xs.max() - xs.min(), ys.max() - ys.min())
                distance = np.hypot(*(predicted[:, j, t] - truth[:, j, t]))
                right += bool(size > 0 and distance / size <= threshold)
        if counted:
            shares.append(right / counted)
    return np.mean(shares) if shares else np.nan


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9), st.floats(0.5, 20))
def test_equals_a_plain_loop(seed, lost, spread):
    rng = np.random.default_rng(seed)
    clips = []
    for frames in (2, 5):
        truth = rng.uniform(-20, 120, (2, 15, frames))
        predicted = truth + spread * rng.standard_normal(truth.shape)
        predicted[:, rng.random((15, frames)) < lost] = np.nan
        clips.append((truth, predicted))
    rows = [row for i, clip in enumerate(clips) for row in score_clip(f"c{i}", *clip)]
    figures = total(rows)
    for threshold in (0.1, 0.2):
        strict, customary = (plain_pck(clips, threshold, way) for way in (False, True))
        assert figures[f"PCK@{threshold}"] == pytest.approx(strict)
        assert figures[f"PCK@{threshold}-customary"] == pytest.approx(customary, nan_ok=True)
    assert 0 <= figures["PCK@0.1"] <= figures["PCK@0.2"] <= 1


def body(frames=2):
    """Joints in a box of 80 x 60, so that 0.6 of its diagonal is 60: 6 and 12 pixels count."""
    truth = np.zeros((2, 15, frames))
    truth[0, 1:] = 40
    truth[:, 14] = [[80], [60]]
    return truth


@pytest.mark.parametrize(
    ("error", "at_01", "at_02"), [(6, 1, 1), (6.01, 0, 1), (12, 0, 1), (12.01, 0, 0)]
)
def test_thresholds_by_hand(error, at_01, at_02):
    truth = body()
    predicted = truth.copy()
    predicted[0, 5, 1] += error
    row = score_clip("a", truth, predicted)[5]
    assert (row["PCK@0.1"], row["PCK@0.2"]) == (at_01, at_02)
    assert row["joint"] == JOINTS[5] == "right hip"


def test_lost_joints_strict_and_customary_by_hand():
    """The one joint that makes the box large is lost: the customary box shrinks to 40 x 0, of
    which 2.4 and 4.8 pixels count, and the lost joint is no mistake."""
    truth = body()
    predicted = truth.copy()
    predicted[:, 14, 1] = np.nan
    predicted[0, 3, 1] += 4
    rows = score_clip("a", truth, predicted)
    assert (rows[14]["frames"], rows[14]["found"], rows[14]["hits@0.2"]) == (1, 0, 0)
    assert (rows[3]["hits@0.1"], rows[3]["hits@0.2"]) == (1, 1)
    assert (rows[3]["hits@0.1-customary"], rows[3]["hits@0.2-customary"]) == (0, 1)
    figures = total(rows)
    assert figures == {
        "PCK@0.1": 14 / 15,
        "PCK@0.2": 14 / 15,
        "PCK@0.1-customary": 13 / 14,
        "PCK@0.2-customary": 1.0,
        "lost": pytest.approx(1 / 15),
    }


def test_the_first_frame_does_not_count():
    truth = body(3)
    predicted = truth.copy()
    predicted[:, :, 0] += 1000
    assert total(score_clip("a", truth, predicted))["PCK@0.1"] == 1.0


def test_the_mean_is_over_joints_not_over_keypoints():
    """Ten frames in which one joint is found and right, one in which only the others are, wrong."""
    truth = body(12)
    predicted = np.full_like(truth, np.nan)
    predicted[:, 0, 1:11] = truth[:, 0, 1:11]
    predicted[:, 1:, 11] = truth[:, 1:, 11] + 500
    figures = total(score_clip("a", truth, predicted))
    assert figures["PCK@0.2"] == pytest.approx(10 / 11 / 15)
    # Alone in its frame, the joint has a box of no size, in which nothing is right.
    assert figures["PCK@0.2-customary"] == 0.0


def test_longer_clips_weigh_more():
    right, wrong = body(2), body(5)
    rows = score_clip("a", right, right) + score_clip("b", wrong, wrong + 500)
    assert total(rows)["PCK@0.2"] == pytest.approx(1 / 5)


def test_shapes_and_lengths_must_fit():
    with pytest.raises(DataError, match=r"c: predicted joints are \(2, 15, 3\), true ones"):
        score_clip("c", body(2), body(3))
    with pytest.raises(DataError, match="c has one frame; a clip needs two"):
        score_clip("c", body(1), body(1))
