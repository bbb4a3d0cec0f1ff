"""Intervals and tests against scipy and statsmodels, and their promises by simulation."""

import gc

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from siammae.report.tables.by_video import VideoFigures
from siammae.report.tables.intervals import LEVEL, estimate, holm, significant

TABLES = 2000


def between(successes, trials, share, wide=0.001):
    """Whether a share of the trials could well be ``share``: an exact binomial test."""
    return stats.binomtest(int(successes), trials, share).pvalue > wide


@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_paired_difference_is_scipys(n):
    ours, theirs = np.random.default_rng(n).normal(size=(2, n))
    found, scipys = estimate(ours - theirs), stats.ttest_rel(ours, theirs)
    low, high = scipys.confidence_interval(LEVEL)
    assert [found.low, found.high, found.p] == pytest.approx([low, high, scipys.pvalue])


def test_the_interval_of_a_mean_is_statsmodels():
    values = np.random.default_rng(0).normal(0.4, 0.02, size=5)
    found = estimate(values)
    assert (found.low, found.high) == pytest.approx(sm.stats.DescrStatsW(values).tconfint_mean())


def test_of_one_value_or_none_nothing_is_claimed():
    for values in ([0.3], []):
        found = estimate(values)
        assert np.isnan([found.low, found.high, found.p]).all()
    assert not significant([estimate([0.3]).p])[0]


def test_equal_runs_do_not_differ():
    found = estimate([0.0, 0.0, 0.0])
    assert (found.low, found.high, found.p) == (0, 0, 1)


def test_holm_is_the_step_down_procedure_and_passes_over_what_was_not_tested():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    expected, largest = {}, 0.0
    for rank, index in enumerate(sorted((i for i in range(5) if i != 1), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (4 - rank) * p[index]))
        expected[index] = largest
    corrected = holm(p)
    assert np.isnan(corrected[1])
    assert corrected[[0, 2, 3, 4]] == pytest.approx([expected[i] for i in (0, 2, 3, 4)])
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_true_mean_in_95_of_100_tables(seeds):
    runs = np.random.default_rng(seeds).normal(0.4, 0.03, size=(TABLES, seeds))
    found = estimate(runs)
    assert between(((found.low <= 0.4) & (found.high >= 0.4)).sum(), TABLES, LEVEL)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_of_differences_hold_the_true_one(seeds):
    """What a seed has in common in both settings cancels."""
    draw = np.random.default_rng(seeds)
    common = draw.normal(0, 0.1, size=(TABLES, seeds))
    ours = common + draw.normal(0.42, 0.01, size=common.shape)
    theirs = common + draw.normal(0.40, 0.02, size=common.shape)
    found = estimate(ours - theirs)
    assert between(((found.low <= 0.02) & (found.high >= 0.02)).sum(), TABLES, LEVEL)
    assert np.median(found.high - found.low) < 0.2  # of unpaired seeds it would be about 0.4


def any_mark(p):
    """How many tables (rows of p) have a mark."""
    gc.freeze()  # statsmodels collects garbage at each call, a tenth of a second with all imported
    try:
        return sum(significant(holm(table)).any() for table in p)
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("seeds", [3, 5])
def test_no_more_than_5_of_100_tables_without_a_difference_have_a_mark_over_seeds(seeds):
    runs = np.random.default_rng(seeds).normal(0.4, 0.03, size=(TABLES, 6, seeds))
    p = estimate(runs[:, 1:] - runs[:, :1]).p
    marked = any_mark(p)
    assert stats.binomtest(marked, TABLES, 0.05, "greater").pvalue > 0.001
    assert marked / TABLES > 0.02  # all are compared with one default, so less than 5%
    assert (p <= 0.05).any(axis=1).mean() > 0.1  # without the correction


def contributions(values, objects):
    """Of one setting: values of each object, grouped to videos."""
    parts = np.add.reduceat(values, np.r_[0, np.cumsum(objects)[:-1]])
    names = tuple(map(str, range(len(objects))))
    return VideoFigures(names, parts[:, None], objects[:, None]).contributions()


def simulated_over_videos(tables, rows, videos):
    """p (tables, rows) of settings that are equal over all videos there could be.

    Objects of a video share what a setting does to it, and videos have one to five.
    """
    draw = np.random.default_rng(videos)
    p = []
    for _ in range(tables):
        objects = draw.integers(1, 6, size=videos)
        level = draw.normal(0.4, 0.2, size=videos)
        runs = [
            np.repeat(level + draw.normal(0, 0.05, size=videos), objects)
            + draw.normal(0, 0.03, size=objects.sum())
            for _ in range(rows + 1)
        ]
        default = contributions(runs[0], objects)
        p.append(estimate([contributions(run, objects) - default for run in runs[1:]]).p)
    return np.array(p)


def test_no_more_than_5_of_100_tables_without_a_difference_have_a_mark_over_videos():
    """DAVIS has 30 videos."""
    tables = 1000
    marked = any_mark(simulated_over_videos(tables, 4, 30))
    assert stats.binomtest(marked, tables, 0.05, "greater").pvalue > 0.001
    assert marked / tables > 0.015


def test_single_comparisons_over_videos_err_in_5_of_100():
    p = simulated_over_videos(TABLES, 1, 30)
    assert between((p <= 0.05).sum(), TABLES, 0.05)


def test_eight_videos_of_unlike_size_err_a_little_more_as_the_method_says():
    """The built-in benchmark has eight; see the module's text."""
    p = simulated_over_videos(1000, 1, 8)
    assert 0.04 < (p <= 0.05).mean() < 0.095
