"""Kendall's tau with its interval."""

import numpy as np
import pytest
from scipy import stats

from siammae.report.tables.agreement import agree, taus
from siammae.report.tables.by_video import VideoFigures

PAPER = [50.0, 52.0, 58.1, 60.0]


def seeds(means, spread=0.001):
    return [np.array([mean - spread, mean, mean + spread]) for mean in means]


def test_tau_and_p_are_scipys():
    means = [0.30, 0.28, 0.35, 0.35]
    found, scipys = agree(seeds(means), PAPER, [None] * 4), stats.kendalltau(means, PAPER)
    assert (found.tau, found.p) == (scipys.statistic, scipys.pvalue)


def test_many_orders_at_once_are_scipys():
    figures = np.random.default_rng(0).integers(0, 4, size=(40, 4)) + np.arange(4) / 2
    expected = [stats.kendalltau(row, PAPER).statistic for row in figures]
    assert taus(figures, PAPER) == pytest.approx(expected, nan_ok=True)


def test_what_is_certain_has_a_narrow_interval_and_what_is_not_a_wide_one():
    sure = agree(seeds([0.1, 0.2, 0.3, 0.4]), PAPER, [None] * 4)
    unsure = agree(seeds([0.1, 0.2, 0.3, 0.4], spread=0.4), PAPER, [None] * 4)
    assert (sure.low, sure.high) == (1, 1)
    assert unsure.low < 0
    assert "over seeds" in unsure.method


def test_of_one_seed_the_videos_are_resampled():
    draw, names = np.random.default_rng(0), tuple("abcdefgh")
    level = draw.uniform(size=8)
    videos = [
        VideoFigures(names, (level + shift)[:, None], np.ones((8, 1)))
        for shift in (0.1, 0.3, 0.2, 0.4)
    ]
    found = agree([np.array([v.figure()]) for v in videos], PAPER, videos)
    expected = stats.kendalltau([1, 3, 2, 4], PAPER).statistic
    assert (found.low, found.tau, found.high) == (expected, expected, expected)  # levels cancel
    noisy = [VideoFigures(names, draw.uniform(size=(8, 1)), v.wholes) for v in videos]
    found = agree([np.array([v.figure()]) for v in noisy], PAPER, noisy)
    assert found.low < found.tau < found.high
    assert "8 videos" in found.method


def test_without_seeds_and_videos_there_is_no_interval():
    found = agree([np.array([x]) for x in (0.1, 0.2, 0.3)], PAPER[:3], [None] * 3)
    assert np.isnan(found.low)
    assert "no interval" in str(found)
