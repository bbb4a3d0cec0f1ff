"""Draws the controls, which a trained encoder has to beat, as lines in a figure."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from siammae.report.figures.figure_data import Subject, plain

LINES = {"copy first mask": ("0.45", ":"), "untrained encoder": ("0.25", "--")}


def draw_controls(
    figure: Figure, axes: Axes, subject: Subject, line: Callable[..., Any], **legend: Any
) -> None:
    """Draw a line for each control, and a legend of all that has a label.

    Args:
        figure: gets the legend, below its axes.
        axes: gets the lines.
        subject: has the controls' figures.
        line: ``axes.axvline`` or ``axes.axhline``.
        legend: what the legend is to have beside.
    """
    for label, value in subject.controls.items():
        color, dashes = LINES.get(str(label), ("0.35", "-."))
        text = plain(f"{label} ({subject.text(value)})")
        line(value, color=color, ls=dashes, lw=1.6, label=text, zorder=4)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        options: dict[str, Any] = {"ncols": 2, "fontsize": 9, "frameon": False, **legend}
        figure.legend(handles, labels, loc="outside lower center", **options)
