"""Compares each row with the default row: over which pairs, how large, how certain.

See `intervals` for the methods and what they speak of.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from siammae.evaluation.measuring.metric import Metric
from siammae.report.tables.by_video import VideoFigures, by_video
from siammae.report.tables.intervals import Estimate, estimate, holm, significant

ENOUGH_SEEDS = 3  # common ones, to pair over them
ENOUGH_VIDEOS = 5
NOT_MEASURED = "not measured on both sides"
NO_SEED = "no seed in common with the default"
ONE_SEED = "one seed in common with the default (it takes two)"
NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan)
# What a comparison adds to a row, in order; of the metric's name.
COLUMNS = ("diff", "diff_low", "diff_high", "p", "p_holm", "mark", "pairing")


@dataclass(frozen=True)
class Comparison:
    """The comparison of one setting with the default in one metric.

    pairing: ``seeds``, ``videos`` or nothing.
    differences: by seed or video; their mean is the difference.
    seeds: that both have.
    left_out: videos that only one of them has.
    lacks: why there is no difference, when there is none.
    """

    pairing: str = ""
    differences: dict[str, float] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    lacks: str = ""

    @cached_property
    def estimate(self) -> Estimate:
        """Return mean, interval and test of the difference."""
        return estimate(list(self.differences.values())) if self.pairing else NOTHING


class Compared:
    """The comparisons of a table.

    Args:
        settings: finished runs (rows of the runs' frame) by the row of the table they belong to.
        default: the row that the others are compared with; None: nothing is compared.
        metrics: the table's.
    """

    def __init__(
        self,
        settings: Mapping[Any, pd.DataFrame],
        default: Hashable | None,
        metrics: list[Metric],
    ):
        self.default = default
        self._videos: dict[tuple[str, str], VideoFigures | None] = {}
        self._holm: dict[str, dict[Hashable, float]] = {}
        self.of: dict[tuple[Hashable, str], Comparison] = {}
        for row, runs in settings.items():
            if default is None or row == default:
                continue
            for metric in metrics:
                self.of[row, metric.name] = self._compare(runs, settings[default], metric)

    def columns(self, row: Hashable, metric: Metric) -> dict[str, object]:
        """Return the cells of a row by `COLUMNS`."""
        found = self.of.get((row, metric.name), Comparison())
        guess, corrected = found.estimate, self._corrected(metric.name).get(row, np.nan)
        values = (guess.mean, guess.low, guess.high, guess.p, corrected)
        cells = (*map(float, values), bool(significant(corrected)), found.pairing)
        return {f"{metric}/{name}": value for name, value in zip(COLUMNS, cells, strict=True)}

    def videos(self, run: pd.Series, metric: Metric) -> VideoFigures | None:
        """Return a run's figure by video."""
        key = (str(run["signature"]), metric.name)
        if key not in self._videos:
            rows, figure = run.get("per_object"), run.get(f"metric/{metric}")
            self._videos[key] = None
            if isinstance(rows, list) and rows and figure is not None and pd.notna(figure):
                self._videos[key] = by_video(rows, metric, float(figure))
        return self._videos[key]

    def _corrected(self, metric: str) -> dict[Hashable, float]:
        if metric not in self._holm:
            rows = [row for row, name in self.of if name == metric]
            p = [self.of[row, metric].estimate.p for row in rows]
            self._holm[metric] = dict(zip(rows, holm(p), strict=True))
        return self._holm[metric]

    def _compare(self, runs: pd.DataFrame, default: pd.DataFrame, metric: Metric) -> Comparison:
        column = f"metric/{metric}"
        if column not in runs:
            return Comparison(lacks=NOT_MEASURED)
        ours, theirs = (
            {int(run["seed"]): run for _, run in part[part[column].notna()].iterrows()}
            for part in (runs, default)
        )
        seeds = tuple(sorted(ours.keys() & theirs.keys()))
        if not seeds:
            return Comparison(lacks=NO_SEED if ours and theirs else NOT_MEASURED)
        pairs = [(ours[seed], theirs[seed]) for seed in seeds]
        if len(seeds) < ENOUGH_SEEDS:
            found = self._over_videos(pairs, seeds, metric)
            if found.pairing or len(seeds) < 2:
                return found
        differences = {
            str(seed): float(a[column] - b[column])
            for seed, (a, b) in zip(seeds, pairs, strict=True)
        }
        return Comparison("seeds", differences, seeds)

    def _over_videos(
        self, pairs: list[tuple[pd.Series, pd.Series]], seeds: tuple[int, ...], metric: Metric
    ) -> Comparison:
        """Return each video's difference averaged over seeds; empty when videos are too few."""
        figures = [[self.videos(run, metric) for run in pair] for pair in pairs]
        known = [figure for pair in figures for figure in pair if figure is not None]
        if len(known) < 2 * len(pairs):
            return Comparison(seeds=seeds, lacks=f"{ONE_SEED}, and figures by video are not known")
        everywhere = set.intersection(*(set(figure.videos) for figure in known))
        common = [video for video in known[0].videos if video in everywhere]
        if len(common) < ENOUGH_VIDEOS:
            few = f"{len(common)} video{'s' * (len(common) != 1)}"
            return Comparison(
                seeds=seeds, lacks=f"{ONE_SEED}, and {few} in common (it takes {ENOUGH_VIDEOS})"
            )
        adds = np.array([figure.only(common).contributions() for figure in known])
        differences = (adds[0::2] - adds[1::2]).mean(axis=0)
        somewhere = {video for figure in known for video in figure.videos}
        return Comparison(
            "videos",
            dict(zip(common, map(float, differences), strict=True)),
            seeds,
            tuple(sorted(somewhere - everywhere)),
        )
