"""Draws a study: history, curves, importance, slices, contour and Pareto front."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siammae.report.studies.frame import StudyFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna import Study

COLOURS = {"complete": "#4c72b0", "pruned": "#dd8452", "best": "#c44e52", "fail": "0.5"}
COLUMNS = 3  # slices beside each other
CROWDED = 30  # characters of labels that do not fit below a slice
Figures = dict[str, "Figure | None"]


def draw_study(
    study: "Study", frame: StudyFrame, importance: tuple[str, pd.DataFrame], folder: Path
) -> dict[str, Path]:
    """Write the pictures that the trials allow as PNG; returns them by title."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    method, shares = importance
    pictures: dict[str, Callable[[], Figure | None]] = {
        "history": lambda: history(frame),
        "pareto": lambda: pareto(frame),
        "importance": lambda: bars(shares, method),
        "slices": lambda: slices(frame, study),
        "contour": lambda: contour(study, frame, shares),
        "curves": lambda: curves(study, frame),
    }
    written = {}
    for name, picture in pictures.items():
        sns.set_theme(style="whitegrid", context="notebook")  # Optuna's contour sets its own
        figure = picture()
        path = folder / f"{name}.png"
        if figure is None:
            path.unlink(missing_ok=True)  # of an earlier report
            continue
        figure.savefig(path, dpi=130, bbox_inches="tight")
        plt.close(figure)
        written[name] = path
    return written


def history(frame: StudyFrame) -> "Figure | None":
    """Draw values by trial and the best so far; pruned trials stand at their last value."""
    if frame.trials[frame.objectives].isna().all(axis=None):
        return None
    figure, panels = _subplots(len(frame.objectives), (8, 3.6 * len(frame.objectives)), 1)
    for axes, objective, up in zip(panels, frame.objectives, frame.maximised, strict=True):
        for state, marker in (("complete", "o"), ("pruned", "X")):
            part = frame.trials[frame.trials["state"] == state].dropna(subset=[objective])
            if len(part):
                axes.scatter(
                    part["number"], part[objective], c=COLOURS[state], marker=marker, label=state
                )
        done = frame.complete
        best = done[objective].cummax() if up else done[objective].cummin()
        axes.step(done["number"], best, where="post", c=COLOURS["best"], label="best so far")
        failed = frame.trials[frame.trials["state"] == "fail"]["number"]
        for i, number in enumerate(failed):
            label = None if i else "failed"
            axes.axvline(number, color=COLOURS["fail"], ls=":", label=label)
        axes.set(xlabel="trial", ylabel=objective)
        axes.legend(frameon=True)
    figure.suptitle(f"{frame.name}: {frame.states()}")
    return figure


def pareto(frame: StudyFrame) -> "Figure | None":
    """Draw quality against cost, and the Pareto front."""
    if len(frame.objectives) != 2 or frame.complete.empty:
        return None
    figure, (axes,) = _subplots(1, (7, 5), 1)
    quality, cost = frame.objectives
    axes.scatter(frame.complete[cost], frame.complete[quality], c="0.7", label="complete")
    front = frame.ranked()
    axes.plot(front[cost], front[quality], "o-", c=COLOURS["best"], label="Pareto front")
    for _, row in front.iterrows():
        axes.annotate(
            str(row["number"]), (row[cost], row[quality]), xytext=(5, 5), textcoords="offset points"
        )
    costs = frame.complete[cost]
    if costs.min() > 0 and costs.max() > 10 * costs.min():
        axes.set_xscale("log")
    axes.set(xlabel=cost, ylabel=quality, title=f"{frame.name}: numbers are trials")
    axes.legend()
    return figure


def bars(shares: pd.DataFrame, method: str) -> "Figure | None":
    """Draw the importance of each parameter as bars."""
    if shares.empty:
        return None
    import seaborn as sns

    count = shares["parameter"].nunique()
    figure, (axes,) = _subplots(1, (8, 1.6 + 0.45 * count), 1)
    many = shares["objective"].nunique() > 1
    hue = "objective" if many else None
    sns.barplot(shares, x="importance", y="parameter", hue=hue, ax=axes, errorbar=None)
    axes.set(title=f"importance by {method.partition(' (')[0]}", ylabel="")
    if not many:
        axes.set_xlabel(f"importance to {shares['objective'].iloc[0]}")
    return figure


def slices(frame: StudyFrame, study: "Study") -> "Figure | None":
    """Draw the first objective over each parameter; later trials are darker."""
    done = frame.complete
    if done.empty:
        return None
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    rows = -(-len(frame.params) // COLUMNS)
    columns = min(COLUMNS, len(frame.params))
    size = (4.2 * columns + 0.8, 3.2 * rows + 0.4)
    figure, panels = _subplots(len(frame.params), size, columns)
    for axes, name in zip(panels, frame.params, strict=True):
        part = done[done[name].notna()]
        places, labels = _places(part[name], _choices(study, name))
        points = axes.scatter(
            places, part[frame.objectives[0]], c=part["number"], cmap="crest", ec="0.4"
        )
        if labels:
            crowded = sum(map(len, labels)) > CROWDED
            axes.set_xticks(range(len(labels)), labels, rotation=20 if crowded else 0)
            axes.set_xlim(-0.6, len(labels) - 0.4)
        elif _is_log(study, name):
            axes.set_xscale("log")
            # Labels of every digit would lie on one another.
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        elif (part[name] % 1 == 0).all():
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(name)
    for axes in panels[::columns]:
        axes.set_ylabel(frame.objectives[0])
    figure.colorbar(points, ax=panels, label="trial")
    return figure


def contour(study: "Study", frame: StudyFrame, shares: pd.DataFrame) -> "Figure | None":
    """Draw the first objective over the two most important parameters."""
    mine = shares[shares["objective"] == frame.objectives[0]]
    names = list(mine.sort_values("importance", ascending=False)["parameter"][:2])
    if len(names) < 2 or frame.complete[names].nunique().min() < 2:
        return None
    import matplotlib.pyplot as plt
    from optuna.visualization.matplotlib import plot_contour

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Optuna's figures are experimental
        # Without a target Optuna knows the direction: darker is better.
        target = None if len(frame.objectives) == 1 else lambda trial: trial.values[0]
        plot_contour(study, params=names, target=target, target_name=frame.objectives[0])
    figure = plt.gcf()
    figure.set_size_inches(8, 5)
    figure.axes[0].set_title("complete trials as points")
    return figure


def curves(study: "Study", frame: StudyFrame) -> "Figure | None":
    """Draw each trial's objective during training, with a cross where it was pruned."""
    trials = {t.number: t.intermediate_values for t in study.get_trials(deepcopy=False)}
    known = frame.trials[[bool(trials[number]) for number in frame.trials["number"]]]
    if known.empty or len({len(trials[n]) for n in known["number"]} | {1}) == 1:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = _subplots(1, (8, 4.5), 1)
    for _, row in known.iterrows():
        way = sorted(trials[row["number"]].items())
        state = "best" if row["number"] in frame.best else row["state"]
        colour, width = COLOURS.get(state, "0.5"), 2.5 if state == "best" else 1
        axes.plot(*zip(*way, strict=True), marker=".", color=colour, lw=width)
        if row["state"] == "pruned":
            axes.plot(*way[-1], "X", c=COLOURS["pruned"], ms=9)
    for state in ("best", "complete", "pruned"):
        axes.plot([], [], c=COLOURS[state], label=state)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="evaluation during training", ylabel=frame.objectives[0])
    axes.legend()
    return figure


def _subplots(count: int, size: tuple[float, float], columns: int) -> "tuple[Figure, list[Axes]]":
    """Make a figure with ``count`` panels; the rest of the last row is left blank."""
    import matplotlib.pyplot as plt

    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, sharey=False
    )
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _places(values: pd.Series, choices: list[Any]) -> tuple[np.ndarray, list[str]]:
    """Return the positions of values on an axis, and the labels of a categorical one."""
    if not choices:
        return values.to_numpy(float), []
    return np.array([choices.index(value) for value in values]), [str(c) for c in choices]


def _choices(study: "Study", name: str) -> list[Any]:
    """Return the choices of a categorical parameter in order, over all starts of the study."""
    found: dict[Any, None] = {}
    for trial in study.get_trials(deepcopy=False):
        found |= dict.fromkeys(getattr(trial.distributions.get(name), "choices", ()))
    return list(found)


def _is_log(study: "Study", name: str) -> bool:
    trials = study.get_trials(deepcopy=False)
    return any(getattr(trial.distributions.get(name), "log", False) for trial in trials)
