"""Draws quality against training time, and marks the settings that no other beats in both."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from siammae.report.figures.figure_data import Picture, Subject, plain, style
from siammae.report.figures.place_labels import Mark, place_labels

UNITS = [(2 * 86400, 86400, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes")]


def quality_speed(subject: Subject) -> Picture | None:
    """Draw a point for each setting; None unless two or more have a time on one kind of device.

    Times of two devices do not compare.
    """
    points = _points(subject)
    if len(points) < 2 or points["device"].nunique(dropna=False) > 1:
        return None
    seconds, unit = _unit(points["seconds"].max())
    for column in ("seconds", "fastest", "slowest"):
        points[column] /= seconds
    best = front(points["seconds"], points["mean"], subject.larger_is_better)
    with style() as new:
        figure = new(7.0, 5.0)
        axes = figure.subplots()
        _draw(axes, subject, points)
        axes.step(
            points.loc[best, "seconds"],
            points.loc[best, "mean"],
            where="post",
            color="0.4",
            ls="--",
            lw=1.3,
            marker="o",
            ms=14,
            mfc="none",
            zorder=2,
            label="no setting is both faster and better",
        )
        axes.margins(0.16)
        device = points["device"].iloc[0]
        on = f" on {device}" if isinstance(device, str) else ""
        axes.set_xlabel(plain(f"training time{on} ({unit})"))
        axes.set_ylabel(subject.unit)
        subject.write_title(figure, 66)
        _name(figure, axes, subject, points)
    parts = [f"{subject.unit} against the time of training", "dashed: the Pareto front"]
    if (points["slowest"] > points["fastest"]).any():
        parts.append("lines across: from the fastest to the slowest seed")
    if subject.spread:
        parts.append(f"lines upright: {subject.spread}")
    return Picture(figure, "; ".join(parts))


def front(cost: pd.Series, quality: pd.Series, larger_is_better: bool) -> list[Any]:
    """Return the indices of the points that no other beats in both, by rising cost."""
    merit = quality if larger_is_better else -quality
    order = pd.DataFrame({"cost": cost, "merit": merit}).sort_values(
        ["cost", "merit"], ascending=[True, False]
    )
    before = order["merit"].cummax().shift(fill_value=float("-inf"))
    return list(order.index[order["merit"] > before])


def _points(subject: Subject) -> pd.DataFrame:
    """Return the rows whose runs' time is known, with ``seconds``, ``fastest`` and ``slowest``."""
    times_of: dict[Any, dict[str, Any]] = {}
    for index, row in subject.trained.iterrows():
        runs = [subject.histories[s] for s in row["signatures"] if s in subject.histories]
        times = [run.seconds for run in runs if run.seconds]
        if times:
            mean = sum(times) / len(times)
            devices = " and ".join(sorted({str(run.device) for run in runs if run.device}))
            times_of[index] = {"seconds": mean, "fastest": min(times), "slowest": max(times)}
            times_of[index]["device"] = devices or None
    columns = ["seconds", "fastest", "slowest", "device"]
    return subject.trained.join(
        pd.DataFrame.from_dict(times_of, "index", columns=columns), how="inner"
    )


def _unit(longest: float) -> tuple[int, str]:
    """Choose a unit of time for the axis by the longest time in seconds."""
    for least, seconds, name in UNITS:
        if longest >= least:
            return seconds, name
    return 1, "seconds"


def _draw(axes: Axes, subject: Subject, points: pd.DataFrame) -> None:
    for index, row in points.iterrows():
        look = subject.looks[index]
        axes.hlines(row["mean"], row["fastest"], row["slowest"], color=look.color, lw=1.2)
        if pd.notna(row["low"]):
            axes.vlines(row["seconds"], row["low"], row["high"], color=look.color, lw=1.2)
        axes.plot([row["seconds"]], [row["mean"]], look.marker, color=look.color, ms=9, zorder=4)


def _extent(row: pd.Series) -> Mark:
    """Return a point with the ends of its whiskers."""
    low, high = (row["mean"] if pd.isna(row[end]) else row[end] for end in ("low", "high"))
    return Mark(row["seconds"], row["mean"], row["fastest"], row["slowest"], low, high)


def _name(figure: Figure, axes: Axes, subject: Subject, points: pd.DataFrame) -> None:
    """Label the points, or draw a legend where labels would cover each other."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize=9, frameon=False)
    marks = [_extent(row) for _, row in points.iterrows()]
    if place_labels(figure, axes, marks, list(points["name"])):
        return
    figure.set_size_inches(
        9.6, max(5.0, 1.2 + 0.19 * sum(1 + n.count("\n") for n in points["name"]))
    )
    looks = [subject.looks[index] for index in points.index]
    markers = [Line2D([], [], color=k.color, marker=k.marker, ls="", ms=8) for k in looks]
    figure.legend(
        markers, list(points["name"]), loc="outside right upper", fontsize=9, frameon=False
    )
