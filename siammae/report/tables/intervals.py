"""Computes intervals and tests of the tables, with the reasons for each choice.

**A cell** is the mean over n seeds with the unbiased standard deviation and the 95% t interval of
the mean (`scipy.stats.ttest_1samp`, n - 1 degrees of freedom). A bootstrap over three to five
seeds, which is what ablations have, would be far too narrow; the t interval holds its level there
if runs scatter about normally. Of one seed nothing is known of the spread, and none is shown.

**A difference** is taken between runs with the same seed, which share initial weights (where shapes
allow), the order of the data and all draws; what they have in common cancels. Which pairs it is
averaged over is said with each:

- ``seeds``, with three common seeds or more: a paired t test of the seeds' differences. It speaks
  of trainings with other seeds, measured on the benchmark's videos.
- ``videos``, with fewer, when the runs' figures are known by video (five videos or more): each
  video is a cluster of its objects, and its contribution to the difference of the two figures is
  linearised (see `by_video`), so that the mean of the contributions is the difference that the
  table shows, also when videos have unlike numbers of objects or a figure is a mean over classes. A
  t test of the contributions (videos - 1 degrees of freedom) is then what a regression with errors
  clustered by video gives. It speaks of other videos for these very trainings, and says nothing of
  other seeds: a difference that it marks may still vanish with the next seed. With few videos of
  unlike numbers of objects it errs a little often: in simulation 7% and not 5% with eight videos
  of one to five objects, less than 6% with DAVIS's thirty.
- ``seeds`` again, with two common seeds and no figures by video: rightly wide.
- none, without a common seed: no difference is shown.

**A mark** says that p is at most 5% after Holm's correction for all comparisons of that metric in
the table (`statsmodels.stats.multitest.multipletests`), which keeps the chance of any false mark in
the table at 5% however the comparisons depend on each other. The interval of a difference is its
own, uncorrected 95% interval.

**Agreement with the paper** is Kendall's tau-b; see `agreement`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

LEVEL = 0.95
METHOD = "t interval of the mean over seeds (scipy.stats.ttest_1samp)"


@dataclass(frozen=True)
class Estimate:
    """A mean, or an array of means, with its 95% interval and the p value of its being zero.

    Interval and p are NaN where there are fewer than two values.
    """

    mean: Any
    low: Any
    high: Any
    p: Any


def estimate(values: Any) -> Estimate:
    """Return the t interval and t test of means over the last axis.

    Args:
        values: independent and finite, (..., n).

    Returns:
        Of shape (...). Values that are all zero have p = 1 and the interval [0, 0].
    """
    values = np.asarray(values, dtype=float)
    mean = values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)
    if values.shape[-1] < 2:
        unknown = np.full(values.shape[:-1], np.nan)[()]
        return Estimate(mean[()], unknown, unknown, unknown)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy warns of values that are all alike
        test = stats.ttest_1samp(values, 0.0, axis=-1)
        interval = test.confidence_interval(LEVEL)
    zero = ~values.any(axis=-1)
    p = np.where(zero, 1.0, test.pvalue)
    low, high = (np.where(zero, 0.0, end) for end in (interval.low, interval.high))
    return Estimate(mean[()], low[()], high[()], p[()])


def holm(p: Any) -> np.ndarray:
    """Correct p values (k,) for each other by Holm's method; NaN stands for no test and stays."""
    p = np.asarray(p, dtype=float)
    tested = np.isfinite(p)
    corrected = np.full(p.shape, np.nan)
    if tested.any():
        corrected[tested] = multipletests(p[tested], alpha=1 - LEVEL, method="holm")[1]
    return corrected


def significant(corrected: Any) -> Any:
    """Whether corrected p values are marked."""
    return np.nan_to_num(np.asarray(corrected, dtype=float), nan=1.0) <= 1 - LEVEL
