"""A table as a picture: bars with the controls as dashed lines."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle
from render import head, scale
from statistics_table import LOSS, Table

LINES = {"copy first mask": ("0.45", ":"), "untrained encoder": ("0.25", "--")}


def draw(table: Table, folder: Path) -> list[Path]:
    """Write NAME.png and NAME.pdf; nothing for a table without a trained row."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    trained = table.rows[~table.rows["control"]].copy()
    metric = table.objective
    factor, digits = scale(metric)
    trained = trained[trained[metric].notna()]
    if trained.empty:
        return []
    sns.set_theme(style="whitegrid", context="notebook")
    figure, axes = plt.subplots(
        figsize=(max(5.5, 1.1 * len(trained) + 2.5), 4.2), layout="constrained"
    )
    trained["height"] = trained[metric] * factor
    x, hue = _axes(table, trained)
    sns.barplot(trained, x=x, y="height", hue=hue, ax=axes, errorbar=None, width=0.7)
    _spread(axes, trained, metric, factor)
    _controls(axes, table, metric, factor)
    for bars in axes.containers:
        if isinstance(bars, BarContainer):
            axes.bar_label(bars, fmt=f"%.{digits}f", padding=3, fontsize=9)
    axes.set_ylabel("training loss" if metric == LOSS else f"{head(metric)} on {_benchmark(table)}")
    axes.set_xlabel(x if x != "label" else "")
    axes.margins(y=0.15)
    if len(trained) > 4 and x == "label":
        axes.tick_params(axis="x", rotation=25)
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(title=hue, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axes.set_title(table.question or table.name.replace("-", " and "), fontsize=12)
    paths = [folder / f"{table.name}.{ending}" for ending in ("png", "pdf")]
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
    return paths


def _axes(table: Table, trained: pd.DataFrame) -> tuple[str, str | None]:
    """Two axes become groups of bars; otherwise a bar a row, under its label."""
    if len(table.axes) != 2:
        return "label", None
    for axis in table.axes:
        trained[axis] = [setting[axis] for setting in trained["setting"]]
    return table.axes[0], table.axes[1]


def _spread(axes: Axes, trained: pd.DataFrame, metric: str, factor: int) -> None:
    """Standard deviations as whiskers, where there are several seeds."""
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    spread = dict(
        zip((trained[metric] * factor).round(9), trained[f"{metric}/std"] * factor, strict=True)
    )
    for bar in bars:
        deviation = spread.get(round(bar.get_height(), 9))
        if deviation is not None and pd.notna(deviation):
            middle = bar.get_x() + bar.get_width() / 2
            axes.errorbar(middle, bar.get_height(), deviation, color="0.2", capsize=4)


def _controls(axes: Axes, table: Table, metric: str, factor: int) -> None:
    for _, row in table.rows[table.rows["control"]].iterrows():
        if pd.notna(row[metric]):
            color, dashes = LINES[row["label"]]
            text = f"{row['label']} ({row[metric] * factor:.1f})"
            axes.axhline(row[metric] * factor, color=color, ls=dashes, lw=1.6, label=text)


def _benchmark(table: Table) -> str:
    return table.caption.partition("benchmark ")[2].partition(" ")[0]
