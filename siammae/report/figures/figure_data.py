"""Holds what a figure is drawn from: a table, its runs' histories, and each setting's style."""

import textwrap
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from siammae.evaluation.measuring.metric import Metric
from siammae.report.figures.histories import History
from siammae.report.figures.styles import Look, looks
from siammae.report.tables.metric_names import JF
from siammae.report.tables.statistics_table import Table
from siammae.training.training_metrics import LOSS

LABEL_WIDTH = 30  # characters of a line of a label


@dataclass(frozen=True)
class Picture:
    """A figure with a caption that says in words what it shows."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Subject:
    """A table's objective, ready to be drawn.

    table: the table.
    benchmark: name of its benchmark; None when runs were not measured.
    histories: of its runs, by signature.
    rows: the benchmark's rows of its runs, by signature.
    """

    table: Table
    benchmark: str | None
    histories: dict[str, History]
    rows: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def metric(self) -> Metric:
        """Return the metric that is drawn, which is the table's objective."""
        return self.table.objective

    @cached_property
    def trained(self) -> pd.DataFrame:
        """Return the rows of settings that have a finite figure, without controls and settings
        without a run.

        Further columns: ``mean``, ``low`` and ``high`` in the unit of the figure, the latter NaN
        without several seeds, and ``name``, the label as it is drawn.
        """
        rows = self.table.rows
        finite = np.isfinite(rows[self.metric.name].astype(float))
        rows = rows[~rows["control"] & finite].copy()
        factor = self.metric.factor
        rows["mean"] = rows[self.metric.name].astype(float) * factor
        low, high = interval(rows, self.metric)
        rows["low"], rows["high"] = low * factor, high * factor
        rows["name"] = [
            wrapped(label + (" (default)" if default else ""))
            for label, default in zip(rows["label"], rows["default"], strict=True)
        ]
        return rows

    @property
    def controls(self) -> pd.Series:
        """Return the controls' figures by label, in the unit of the drawing."""
        rows = self.table.rows[self.table.rows["control"]].set_index("label")
        return rows[self.metric.name].dropna().astype(float) * self.metric.factor

    @property
    def paper(self) -> pd.Series:
        """Return the paper's figures by index of the row, in the unit of the paper's table."""
        rows = self.table.rows
        old = ["paper"] if self.metric.name == JF else []
        there = [column for column in (f"paper/{self.metric}", *old) if column in rows]
        return rows[there[0]].dropna().astype(float) if there else pd.Series(dtype=float)

    @cached_property
    def looks(self) -> dict[Hashable, Look]:
        """Return the style of each setting by index of its row, the same in all figures of the
        table."""
        return looks(self.table)

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger value of the objective is better."""
        return self.metric.better != "less"

    @property
    def unit(self) -> str:
        """Return the label of the axis on which the objective stands, with its unit."""
        if self.metric == LOSS:
            return "training loss"
        where = f" on {self.benchmark}" if self.benchmark else ""
        name, unit = self.metric.short or self.metric.name, self.metric.unit_behind(" (%)")
        return plain(f"{name}{where}{unit}")

    @property
    def spread(self) -> str:
        """Say in words what whiskers and bands show; empty when no setting has several seeds."""
        if self.trained["low"].isna().all():
            return ""
        exact = f"{self.metric}/low" in self.table.rows
        return "95% interval over seeds" if exact else "± standard deviation over seeds"

    def text(self, value: float) -> str:
        """Write a value with the table's decimals."""
        return f"{value:.{self.metric.digits}f}"

    def write_title(self, figure: Figure, width: int = 70) -> None:
        """Write the question, or else what was varied, above a figure in lines of ``width``
        characters.

        From the left: a legend on the right may begin as high.
        """
        seeds = ["the seed"] if self.trained["n"].gt(1).any() else []
        axes = " and ".join(self.table.axes or seeds)
        title = f"Effect of {axes}" if axes else self.table.name
        text = wrapped(self.table.question or title, width)
        figure.suptitle(text, x=0.01, ha="left", fontsize=12)


def interval(rows: pd.DataFrame, metric: Metric) -> tuple[pd.Series, pd.Series]:
    """Return both ends of each mean's 95% interval, or of mean ± deviation where there is none."""
    if f"{metric}/low" in rows:
        return rows[f"{metric}/low"].astype(float), rows[f"{metric}/high"].astype(float)
    mean, deviation = rows[metric.name].astype(float), rows[f"{metric}/std"].astype(float)
    return mean - deviation, mean + deviation


def plain(text: str) -> str:
    """Return a text in which a dollar sign does not begin a formula of matplotlib."""
    return text.replace("$", r"\$")


def wrapped(text: str, width: int = LABEL_WIDTH) -> str:
    """Break a text into lines of at most ``width`` characters."""
    return plain(textwrap.fill(text, width, break_on_hyphens=False))


@contextmanager
def style(grid: str = "whitegrid") -> Iterator[Callable[[float, float], Figure]]:
    """Apply seaborn's style while a figure is drawn; yields a function that makes one of some
    inches."""
    with mpl.rc_context(), sns.plotting_context("notebook", font_scale=0.9), sns.axes_style(grid):
        mpl.rcParams["pdf.fonttype"] = 42  # text stays text in an editor of pictures
        yield lambda width, height: Figure(figsize=(width, height), layout="constrained")
