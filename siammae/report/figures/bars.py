"""Draws a table's objective as bars with intervals, with the controls as lines."""

from itertools import pairwise

import pandas as pd
from matplotlib.axes import Axes

from siammae.report.figures.controls import draw_controls
from siammae.report.figures.figure_data import Picture, Subject, style
from siammae.report.tables.cell_facts import mark

BAR = 0.7  # of the distance between two bars
GAP = 0.6  # between groups of a grid


def bars(subject: Subject) -> Picture | None:
    """Draw a bar for each setting, from the top in the table's order; None without a trained row.

    Bars lie so that labels of any length stay readable, also sixteen of them.
    """
    rows = subject.trained
    if rows.empty:
        return None
    places = _places(subject)
    lines = sum(max(1.0, 0.75 * name.count("\n") + 0.75) for name in rows["name"])
    with style() as new:
        figure = new(7.5, 1.9 + 0.36 * max(lines, places[-1] + 1))
        axes = figure.subplots()
        for place, (index, row) in zip(places, rows.iterrows(), strict=True):
            axes.barh(place, row["mean"], BAR, color=subject.looks[index].color, zorder=2)
        _whiskers(axes, places, rows)
        _values(axes, subject, places)
        draw_controls(figure, axes, subject, axes.axvline)
        axes.set_yticks(places, rows["name"])
        axes.set_ylim(places[-1] + 0.6, -0.6)
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
        axes.set_xlabel(subject.unit)
        subject.write_title(figure)
    spread = f", with {subject.spread}" if subject.spread else ""
    return Picture(figure, f"{subject.unit} by setting{spread}")


def _places(subject: Subject) -> list[float]:
    """Return the heights at which bars lie; bars of a grid stand in groups that share the first
    axis."""
    first = [
        setting.get(subject.table.axes[0]) if len(subject.table.axes) == 2 else None
        for setting in subject.trained["setting"]
    ]
    places = [0.0]
    for before, now in pairwise(first):
        places.append(places[-1] + 1 + (GAP if now != before else 0))
    return places


def _whiskers(axes: Axes, places: list[float], rows: pd.DataFrame) -> None:
    """Draw the interval of each bar that stands for several seeds."""
    for place, (_, row) in zip(places, rows.iterrows(), strict=True):
        if pd.notna(row["low"]):
            reach = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axes.errorbar(row["mean"], place, xerr=reach, color="0.15", capsize=3, lw=1.3, zorder=3)


def _values(axes: Axes, subject: Subject, places: list[float]) -> None:
    """Write each mean behind the end of its bar, marked where it differs from the default."""
    for place, (_, row) in zip(places, subject.trained.iterrows(), strict=True):
        end = row["mean"] if pd.isna(row["high"]) else max(row["mean"], row["high"])
        axes.annotate(
            subject.text(row["mean"]) + mark(row, subject.metric),
            (end, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )
