"""Draws calibration: quantiles before and after one temperature, sparsification, error by gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from siammae.evaluation.scores.calibration import LEVELS, REMOVED
from siammae.report.figures.figure_data import Picture, Subject, style
from siammae.report.figures.styles import Look

Row = dict[str, Any]
CAPTION = (
    "observed shares below predicted quantiles, before and after one temperature; error that is "
    "left when the most uncertain patches are removed, by the model (line), by the true error "
    "(dots, the oracle) and at random (grey); mean squared z-score by gap"
)


@dataclass(frozen=True)
class Curves:
    """The curves of a setting: means over clips, and over runs.

    below, scaled: (19,), shares of values below the quantiles of `LEVELS`, before and after.
    left, oracle: (20,), error that is left when shares `REMOVED` of the patches are.
    gaps, z2: the gaps, and the mean squared z-score, after the temperature, of each.
    """

    below: np.ndarray
    scaled: np.ndarray
    left: np.ndarray
    oracle: np.ndarray
    gaps: np.ndarray
    z2: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Curves | None":
        """Average the rows of `siammae.evaluation.benchmarks.calibration`; None when there is
        none."""
        rows = [row for row in rows if "below-scaled" in row]
        if not rows:
            return None
        below, scaled, left, oracle = (
            np.mean([row[name] for row in rows], axis=0)
            for name in ("below", "below-scaled", "left", "oracle")
        )
        pairs = pd.DataFrame(
            {name: np.concatenate([row[name] for row in rows]) for name in ("gap", BY_GAP)}
        )
        by_gap = pairs.groupby("gap")[BY_GAP].mean()
        gaps, z2 = by_gap.index.to_numpy(), by_gap.to_numpy()
        return cls(below, scaled, left, oracle, gaps, z2)


BY_GAP = "z2-scaled-of-gap"


def calibration(subject: Subject) -> Picture | None:
    """Draw the calibration of a table's settings, each the mean over its runs; None if not
    measured."""
    named = {}
    for index, row in subject.trained.iterrows():
        rows = [each for name in row["signatures"] for each in subject.rows.get(name, ())]
        found = Curves.of(rows)
        if found is not None:
            named[index] = found
    if not named:
        return None
    names = dict(subject.trained["name"])
    figure = draw_curves(named, names, subject.looks)
    subject.write_title(figure)
    return Picture(figure, CAPTION)


def draw_curves(
    curves: Mapping[Any, Curves], names: Mapping[Any, str], looks: Mapping[Any, Look]
) -> Figure:
    """Draw the curves in four panels with one legend.

    Args:
        curves: by whatever names them.
        names: for the legend.
        looks: colours and lines.
    """
    with style() as new:
        tall = sum(1 + names[key].count("\n") for key in curves)
        figure = new(11.5, max(7.6, 0.8 + 0.19 * tall))
        (before, after), (sparse, gaps) = figure.subplots(2, 2)
        for key, found in curves.items():
            look: dict[str, Any] = {"color": looks[key].color, "ls": looks[key].dashes, "lw": 1.7}
            before.plot(LEVELS, found.below, **look)
            after.plot(LEVELS, found.scaled, **look)
            sparse.plot(REMOVED, found.left, **look)
            sparse.plot(REMOVED, found.oracle, color=look["color"], ls=":", lw=1.2)
            gaps.plot(found.gaps, found.z2, marker=looks[key].marker, ms=4, **look)
        for axes, title in ((before, "as predicted"), (after, "after one temperature")):
            _quantiles(axes, title)
        _sparsification(sparse)
        gaps.axhline(1, color="0.5", lw=1, zorder=1)
        gaps.set(xlabel="gap in frames", ylabel="mean squared z-score")
        gaps.set_title("after one temperature; 1: errors as large as predicted", fontsize=10)
        _legend(figure, [looks[key] for key in curves], [names[key] for key in curves])
    return figure


def _quantiles(axes: Axes, title: str) -> None:
    axes.plot([0, 1], [0, 1], color="0.5", lw=1, zorder=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="level of the predicted quantile")
    axes.set_ylabel("share of values below it")
    axes.set_title(title, fontsize=10)


def _sparsification(axes: Axes) -> None:
    axes.axhline(1, color="0.5", lw=1, zorder=1)
    axes.set(xlim=(0, 1), xlabel="share of patches removed, the most uncertain first")
    axes.set_ylabel("error of the others / of all")
    axes.set_title("sparsification (dots: oracle)", fontsize=10)


def _legend(figure: Figure, shown: list[Look], names: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, ms=4, lw=2)
        for look in shown
    ]
    where: dict[str, Any] = {"loc": "outside right upper", "fontsize": 9, "frameon": False}
    figure.legend(handles, names, handlelength=3, **where)
