"""Draws one numeric axis as a curve, with the paper's points beside it."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from siammae.report.figures.controls import draw_controls
from siammae.report.figures.figure_data import Picture, Subject, plain, style, wrapped
from siammae.report.figures.styles import number

LINE = "0.3"  # of the mean, between points in the colours of the settings
APART = 0.045  # two ticks, as a share of the axis
DRAWN = re.compile(r"\[([^,\]]+),([^,\]]+)\]")  # the spelling of a range


def curve(subject: Subject) -> Picture | None:
    """Draw the objective over the values of an axis; None unless one axis has three numbers or
    more.

    A range that is drawn from lies as a line over what it covers; another value that is no number
    as a line over the whole width.
    """
    points = _points(subject)
    if points is None or points["x"].nunique() < 3:
        return None
    with style() as new:
        figure = new(6.8, 5.0)
        axes = figure.subplots()
        _set_scale(axes, points["x"])
        _draw_points(axes, subject, points)
        _draw_others(axes, subject, points)
        _draw_paper(axes, subject)
        axes.margins(x=0.06, y=0.12)
        draw_controls(figure, axes, subject, axes.axhline)
        axes.set_xlabel(plain(subject.table.axes[0]))
        axes.set_ylabel(subject.unit)
        subject.write_title(figure)
    spread = f", with {subject.spread}" if subject.spread else ""
    return Picture(figure, f"{subject.unit} over {subject.table.axes[0]}{spread}")


def _points(subject: Subject) -> pd.DataFrame | None:
    """Return the rows whose value is a number, ordered by it, with that number in a column
    ``x``."""
    if len(subject.table.axes) != 1:
        return None
    axis = subject.table.axes[0]
    rows = subject.trained
    values = [number(setting.get(axis)) for setting in rows["setting"]]
    return rows.assign(x=pd.array(values, "Float64")).dropna(subset=["x"]).sort_values("x")


def _set_scale(axes: Axes, values: pd.Series) -> None:
    """Choose a logarithmic axis over more than a decade, and put ticks at the values where they
    fit."""
    numbers = np.unique(values.astype(float))
    if numbers[0] > 0 and numbers[-1] / numbers[0] >= 20:
        axes.set_xscale("log")
        places = np.log(numbers)
    else:
        places = numbers
    kept = [0]
    for i in range(1, len(numbers)):
        if places[i] - places[kept[-1]] >= APART * (places[-1] - places[0]):
            kept.append(i)
    axes.xaxis.set_major_locator(FixedLocator(list(numbers[kept])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_points(axes: Axes, subject: Subject, points: pd.DataFrame) -> None:
    x = points["x"].astype(float)
    axes.plot(x, points["mean"], color=LINE, lw=1.5, zorder=3, label="mean")
    if points["low"].notna().any():
        axes.fill_between(
            x, points["low"], points["high"], color=LINE, alpha=0.18, lw=0, label=subject.spread
        )
    for index, row in points.iterrows():
        _whisker(axes, float(row["x"]), row)
        look = subject.looks[index]
        axes.plot([float(row["x"])], [row["mean"]], look.marker, color=look.color, ms=8, zorder=5)


def _whisker(axes: Axes, x: float, row: pd.Series) -> None:
    """Draw the interval of one point, which a band does not show where its neighbours have none."""
    if pd.notna(row["low"]):
        axes.vlines(x, row["low"], row["high"], color=LINE, lw=1.3, zorder=4)


def _draw_others(axes: Axes, subject: Subject, points: pd.DataFrame) -> None:
    """Draw settings whose value of the axis is not a number as horizontal lines."""
    low, high = float(points["x"].min()), float(points["x"].max())
    for index, row in subject.trained.drop(points.index).iterrows():
        drawn = DRAWN.fullmatch(str(row["setting"].get(subject.table.axes[0])))
        ends = [number(end) for end in drawn.groups()] if drawn else [None, None]
        left = low if ends[0] is None else ends[0]
        right = high if ends[1] is None else ends[1]
        look = subject.looks[index]
        axes.plot(
            [left, right], [row["mean"]] * 2, color=look.color, lw=3, zorder=4, label=row["name"]
        )
        if pd.notna(row["low"]):
            axes.fill_between(
                [left, right], row["low"], row["high"], color=look.color, alpha=0.18, lw=0
            )


def _draw_paper(axes: Axes, subject: Subject) -> None:
    """Draw the paper's figures, which may come from another benchmark and other data."""
    label: str | None = wrapped(f"paper: {_source(subject)}", 44)
    settings = subject.table.rows["setting"].loc[subject.paper.index]
    for setting, value in zip(settings, subject.paper, strict=True):
        value_of_axis = str(setting.get(subject.table.axes[0]))
        drawn = DRAWN.fullmatch(value_of_axis)
        ends = [number(end) for end in (drawn.groups() if drawn else [value_of_axis])]
        known = [end for end in ends if end is not None]
        if known:
            line = "--" if len(known) > 1 else ""
            axes.plot(known, [value] * len(known), "d", ls=line, mfc="none", mec="0.1", color="0.1",
                      ms=8, zorder=5, label=label)  # fmt: skip
            label = None


def _source(subject: Subject) -> str:
    """Return which table of the paper the figures come from, as the notes have it."""
    sources = [
        note.removeprefix("paper: ") for note in subject.table.notes if note[:7] == "paper: "
    ]
    return sources[0].partition(";")[0] if sources else "its own benchmark and data"
