"""Draws a grid of two axes as a heat map."""

import math

import pandas as pd
import seaborn as sns

from siammae.report.figures.figure_data import Picture, Subject, style, wrapped
from siammae.report.figures.styles import number


def heatmap(subject: Subject) -> Picture | None:
    """Draw a cell for each setting with its mean and interval; None unless the table is a grid.

    A grid has two values or more on both axes, and most of their combinations.
    """
    grid = _grid(subject, "mean")
    if grid is None or min(grid.shape) < 2 or grid.notna().sum().sum() <= max(grid.shape):
        return None
    first, second = subject.table.axes
    with style("white") as new:
        figure = new(3.4 + 0.95 * grid.shape[1], 1.9 + 0.62 * grid.shape[0])
        axes = figure.subplots()
        sns.heatmap(
            grid,
            ax=axes,
            annot=_texts(subject),
            fmt="",
            annot_kws={"fontsize": 9},
            cmap="viridis" if subject.larger_is_better else "viridis_r",
            linewidths=1,
            cbar_kws={"label": subject.unit},
        )
        axes.set_xlabel(wrapped(second))
        axes.set_ylabel(wrapped(first))
        axes.tick_params(axis="y", rotation=0)
        axes.tick_params(axis="x", rotation=0 if _short(grid) else 30)
        subject.write_title(figure, 28 + 9 * grid.shape[1])
    spread = f", with {subject.spread}" if subject.spread else ""
    return Picture(figure, f"{subject.unit} over {first} and {second}{spread}")


def _short(grid: pd.DataFrame) -> bool:
    return max(len(str(name)) for name in grid.columns) <= 9


def _grid(subject: Subject, column: str) -> pd.DataFrame | None:
    """Arrange a column of the rows with the first axis down and the second across, both in
    order."""
    if len(subject.table.axes) != 2:
        return None
    rows = subject.trained
    if rows.empty:
        return None
    places = [[setting.get(axis) for axis in subject.table.axes] for setting in rows["setting"]]
    frame = pd.DataFrame(places, columns=["down", "across"]).assign(value=list(rows[column]))
    grid = frame.pivot(index="down", columns="across", values="value")
    return grid.loc[_ordered(frame["down"]), _ordered(frame["across"])]


def _ordered(values: pd.Series) -> list[str]:
    """Order numbers by size; other values follow in the table's order."""
    distinct = list(dict.fromkeys(values))
    return sorted(distinct, key=lambda v: math.inf if number(v) is None else number(v) or 0.0)


def _texts(subject: Subject) -> pd.DataFrame:
    """Return the text of each cell: the mean, and below it the interval."""
    grids = [_grid(subject, column) for column in ("mean", "low", "high")]
    mean, low, high = (grid for grid in grids if grid is not None)
    texts = mean.astype(object)
    for down in mean.index:
        for across in mean.columns:
            text = "" if pd.isna(mean.loc[down, across]) else subject.text(mean.loc[down, across])
            if pd.notna(low.loc[down, across]):
                ends = [subject.text(grid.loc[down, across]) for grid in (low, high)]
                text += f"\n[{', '.join(ends)}]"
            texts.loc[down, across] = text
    return texts
