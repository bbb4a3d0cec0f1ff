"""Video consistency, against loops over windows and pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.evaluation.scores.consistency import script_consistency, video_consistency


def paper(truth, predicted, n, ignore):
    """Every window, every pixel."""
    shares = []
    for start in range(len(truth) - n + 1):
        counted = good = 0
        for pixel in np.ndindex(truth.shape[1:]):
            true = [int(truth[start + j][pixel]) for j in range(n)]
            guess = [int(predicted[start + j][pixel]) for j in range(n)]
            if len(set(true)) == 1 and true[0] not in ignore:
                counted += 1
                good += guess == true
        if counted:
            shares.append(good / counted)
    return shares


def script(truth, predicted, n):
    """Windows start at 0 .. T - n - 1; any constant prediction is good; all ids are classes."""
    shares = []
    for start in range(len(truth) - n):
        true, guess = truth[start : start + n], predicted[start : start + n]
        common = (true == true[0]).all(axis=0)
        if common.any():
            shares.append((common & (guess == guess[0]).all(axis=0)).sum() / common.sum())
    return shares


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(2, 5))
def test_equal_to_loops(seed, length, n):
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.choice([0, 1, 2, 255], (length, 3, 4)).astype(np.uint8), 3, axis=0)
    predicted = np.where(rng.random(truth.shape) < 0.9, truth, 1)
    expected = paper(truth, predicted, n, {0, 255})
    assert video_consistency(truth, predicted, n, {0, 255}) == pytest.approx(expected)
    assert script_consistency(truth, predicted, n) == pytest.approx(script(truth, predicted, n))


def test_a_constant_but_wrong_prediction_is_consistent_for_the_script_only():
    truth, predicted = np.full((4, 2, 2), 5), np.full((4, 2, 2), 7)
    assert video_consistency(truth, predicted, 3).tolist() == [0, 0]
    assert script_consistency(truth, predicted, 3).tolist() == [1]


def test_a_flicker_spoils_the_windows_it_is_in():
    truth = np.full((5, 1, 2), 3)
    predicted = truth.copy()
    predicted[4, 0, 0] = 9
    assert video_consistency(truth, predicted, 2).tolist() == [1, 1, 1, 0.5]


def test_a_video_shorter_than_the_window_has_none():
    truth = np.ones((3, 2, 2), np.uint8)
    assert len(video_consistency(truth, truth, 4)) == len(script_consistency(truth, truth, 4)) == 0
    assert len(video_consistency(truth, truth, 3)) == 1
    assert len(script_consistency(truth, truth, 3)) == 0
