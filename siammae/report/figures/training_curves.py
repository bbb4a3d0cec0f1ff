"""Draws loss and benchmark over the pairs seen, a line for each setting's mean over its seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from siammae.report.figures.figure_data import Picture, Subject, style
from siammae.report.figures.histories import History
from siammae.training.training_metrics import LOSS


@dataclass(frozen=True)
class Line:
    """The mean of a setting over its seeds, and its spread.

    pairs: the abscissa, in order. mean, deviation: as long; the deviation is NaN where fewer than
    two seeds have come.
    """

    pairs: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]
    deviation: np.ndarray[Any, Any]


def training_curves(subject: Subject) -> Picture | None:
    """Draw a panel for the loss, and one for the benchmark where it was measured during
    training."""
    panels = {"training loss": _lines(subject, LOSS.name, 1)}
    if subject.metric != LOSS:
        factor = subject.metric.factor
        panels[subject.unit] = _lines(subject, f"{subject.benchmark}/{subject.metric}", factor)
    panels = {name: lines for name, lines in panels.items() if lines}
    if not panels:
        return None
    tall = sum(1 + name.count("\n") for name in subject.trained["name"])
    with style() as new:
        figure = new(3.2 + 4.3 * len(panels), max(4.0, 0.8 + 0.19 * tall))
        for axes, (name, lines) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            _panel(axes, subject, lines)
            axes.set_ylabel(name)
        _legend(figure, subject)
        subject.write_title(figure, 46 * len(panels))
    banded = any(~np.isnan(line.deviation).all() for p in panels.values() for line in p.values())
    spread = ", mean ± standard deviation over seeds" if banded else ""
    return Picture(figure, f"{' and '.join(panels)} over the pairs seen{spread}")


def averaged(histories: list[History], metric: str) -> Line | None:
    """Average runs where each was measured or lies between two measurements.

    None when no run has two measurements: a point is no curve.
    """
    curves = [history.curve(metric) for history in histories]
    curves = [(pairs, values) for pairs, values in curves if len(pairs) > 1]
    if not curves:
        return None
    grid = np.unique(np.concatenate([pairs for pairs, _ in curves]))
    values = np.stack([np.interp(grid, *curve, left=np.nan, right=np.nan) for curve in curves])
    known = (~np.isnan(values)).sum(axis=0)
    total = np.where(np.isnan(values), 0.0, values)
    mean = total.sum(axis=0) / known
    squares = np.where(np.isnan(values), 0.0, (values - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(
        np.divide(squares, known - 1, where=known > 1, out=np.full(len(grid), np.nan))
    )
    return Line(grid, mean, deviation)


def _lines(subject: Subject, metric: str, factor: int) -> dict[Any, Line]:
    """Return a line for each row whose runs have one, by index of the row."""
    found = {}
    for index, row in subject.trained.iterrows():
        there = [subject.histories[s] for s in row["signatures"] if s in subject.histories]
        line = averaged(there, metric)
        if line is not None:
            found[index] = Line(line.pairs, line.mean * factor, line.deviation * factor)
    return found


def _panel(axes: Axes, subject: Subject, lines: dict[Any, Line]) -> None:
    for index, line in lines.items():
        look = subject.looks[index]
        axes.plot(line.pairs, line.mean, color=look.color, ls=look.dashes, lw=1.7)
        axes.fill_between(
            line.pairs,
            line.mean - line.deviation,
            line.mean + line.deviation,
            color=look.color,
            alpha=0.15,
            lw=0,
        )
    axes.set_xlabel("pairs seen")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(figure: Any, subject: Subject) -> None:
    from matplotlib.lines import Line2D

    rows = subject.trained
    handles = [
        Line2D([], [], color=subject.looks[i].color, ls=subject.looks[i].dashes, lw=2)
        for i in rows.index
    ]
    figure.legend(
        handles,
        list(rows["name"]),
        loc="outside right upper",
        fontsize=9,
        frameon=False,
        handlelength=3,
    )
