"""Compares the order of our rows with the paper's by Kendall's tau-b, with its uncertainty.

The settings of a table were chosen, not drawn, so resampling rows would answer a question that
nobody asks. What is uncertain is our figures, the paper's being taken as given. Hence the interval:

- Every row has two seeds or more: each row's mean is drawn from the t distribution that gives the
  cell its 95% interval (mean, standard error, n - 1 degrees of freedom), tau is taken of each of
  the draws, and their middle 95% is shown. Resampling three seeds, of which there are ten kinds of
  samples, would be too narrow.
- Else, figures being known by video: `scipy.stats.bootstrap` over the videos that all rows share,
  the same for all rows. It speaks of these trainings only.
- Else there is none.

The p value is scipy's, exact for few rows: the chance of a tau as far from 0 if the orders had
nothing to do with each other. With three rows it is never below 1/3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from siammae.report.tables.by_video import VideoFigures
from siammae.report.tables.intervals import LEVEL

FEWEST = 3  # rows
DRAWS = 4000


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau of some rows, with its interval (NaN when there is none) and how that was
    found."""

    tau: float
    p: float
    rows: int
    low: float
    high: float
    method: str

    def __str__(self) -> str:
        """Return the agreement as the note under the table."""
        interval = "" if np.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"tau {self.tau:.2f}{interval}, p {self.p:.2f}, {self.rows} rows; {self.method}"


def agree(
    ours: Sequence[np.ndarray],
    paper: Sequence[float],
    videos: Sequence[VideoFigures | None],
) -> Agreement:
    """Return tau-b of our means and the paper's figures.

    Args:
        ours: figures of the seeds, for each row.
        paper: its figure, for each row.
        videos: figures by video of one run, for each row; None where they are not known.
    """
    means = np.array([np.mean(seeds) for seeds in ours])
    found = stats.kendalltau(means, paper)
    known = [figures for figures in videos if figures is not None]
    low, high, method = np.nan, np.nan, "no interval: too few seeds"
    if all(len(seeds) > 1 for seeds in ours):
        low, high = _over_seeds(ours, means, paper)
        method = "95% interval by the t distributions of our means over seeds"
    elif all(len(seeds) == 1 for seeds in ours) and len(known) == len(ours):
        common = [v for v in known[0].videos if all(v in figures.videos for figures in known)]
        if len(common) > 1:
            low, high = _over_videos([figures.only(common) for figures in known], paper)
            method = f"95% bootstrap interval over {len(common)} videos of these trainings only"
    return Agreement(float(found.statistic), float(found.pvalue), len(means), low, high, method)


def _over_seeds(
    ours: Sequence[np.ndarray], means: np.ndarray, paper: Sequence[float]
) -> tuple[float, float]:
    errors = np.array([stats.sem(seeds) for seeds in ours])
    freedom = np.array([len(seeds) - 1 for seeds in ours])
    draws = means + errors * stats.t.rvs(freedom, size=(DRAWS, len(means)), random_state=0)
    return _middle(taus(draws, paper))


def _over_videos(figures: Sequence[VideoFigures], paper: Sequence[float]) -> tuple[float, float]:
    number = len(figures[0].videos)

    def statistic(drawn: np.ndarray, axis: int) -> np.ndarray:
        counts = (drawn[..., None] == np.arange(number)).sum(axis=-2).reshape(-1, number)
        sampled = np.stack([each.figure(counts) for each in figures], axis=-1)
        return taus(sampled, paper).reshape(drawn.shape[:-1])

    found = stats.bootstrap(
        (np.arange(number),), statistic, vectorized=True, n_resamples=DRAWS, rng=0, batch=100,
        confidence_level=LEVEL, method="percentile",
    )  # fmt: skip
    return _middle(found.bootstrap_distribution)


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return float(low), float(high)


def taus(figures: np.ndarray, paper: Sequence[float]) -> np.ndarray:
    """Return tau-b (B,) of each row of figures (B, R) with the paper's (R,)."""
    ranks, which = np.unique(stats.rankdata(figures, axis=-1), axis=0, return_inverse=True)
    kendall: Callable[..., Any] = stats.kendalltau
    return np.array([kendall(order, paper).statistic for order in ranks])[which.reshape(-1)]
