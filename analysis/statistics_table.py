"""Runs of a table to its rows: mean and spread over seeds, controls, what was left out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from selection import DEFAULT, Selected

from siammae.config.experiment import Row, spelled

LOSS = "train/loss"
JF = "J&F-Mean"
CONTROLS = {"copy_first_mask": "copy first mask", "untrained_encoder": "untrained encoder"}


@dataclass
class Table:
    """A table ready to be printed.

    objective: the metric that decides; larger is better but for a loss.
    metrics: what is shown, the objective first.
    rows: one a setting, in order. Columns: ``label``, ``default``, ``control``, ``n``, ``paper``,
    ``signatures``, and for each metric ``<metric>`` (mean) and ``<metric>/std`` (NaN for one seed).
    """

    name: str
    question: str
    axes: list[str]
    objective: str
    metrics: list[str]
    rows: pd.DataFrame
    caption: str
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> int | None:
        """Index of the best trained row; None when there is nothing to choose from."""
        trained = self.rows[~self.rows["control"]][self.objective].dropna()
        if len(trained) < 2:
            return None
        best = trained.argmin() if self.objective == LOSS else trained.argmax()
        return int(trained.index[int(best)])


def tabulate(selected: Selected, defaults: dict[str, str]) -> Table:
    """Average over seeds; unfinished and failed runs are counted, never averaged in."""
    done = selected.runs[selected.runs["state"] == "finished"]
    objective, metrics = _metrics(done)
    rows = [
        _describe(selected, part["setting"].iloc[0], part, metrics, defaults)
        for _, part in done.groupby("setting", sort=False)
    ]
    rows = _in_order(selected, rows) + _controls(done, metrics)
    frame = pd.DataFrame(rows, columns=_columns(metrics)).astype({"control": bool})
    declared = selected.declared
    notes = [*_left_out(selected.runs), *selected.notes]
    if declared is not None and declared.source:
        notes.append(f"paper: {declared.source}")
    return Table(
        name=selected.name,
        question=declared.question if declared else "",
        axes=selected.axes,
        objective=objective,
        metrics=metrics,
        rows=frame,
        caption=_caption(selected, done),
        notes=notes,
    )


def read_defaults(config: Path) -> dict[str, str]:
    """The default of each top-level setting and group, as text."""
    content = yaml.safe_load(config.read_text())
    defaults = {
        key: str(value).replace(" ", "") for key, value in content.items() if key != "defaults"
    }
    for entry in content["defaults"]:
        if isinstance(entry, dict):
            defaults.update({key: str(value) for key, value in entry.items()})
    return defaults


def _metrics(done: pd.DataFrame) -> tuple[str, list[str]]:
    """The objective of the runs' benchmark, and what is shown: it, the other means, the loss."""
    told = done["objective"].dropna()
    objective = str(told.iloc[0]).lstrip("-") if len(told) else LOSS
    measured = [
        column.removeprefix("metric/")
        for column in map(str, done.columns)
        if column.startswith("metric/") and done[column].notna().any()
    ]
    others = [name for name in measured if not name.endswith(("-Recall", "-Decay"))]
    return objective, list(
        dict.fromkeys([objective, *(name for name in others if name != LOSS), LOSS])
    )


def _columns(metrics: list[str]) -> list[str]:
    spread = [column for metric in metrics for column in (metric, f"{metric}/std")]
    return ["label", "setting", "default", "control", "n", *spread, "paper", "signatures"]


def _describe(
    selected: Selected,
    setting: tuple[str, ...],
    runs: pd.DataFrame,
    metrics: list[str],
    defaults: dict[str, str],
) -> dict[str, Any]:
    pairs = dict(zip(selected.axes, setting, strict=True))
    declared = _declared_row(selected, pairs)
    is_default = bool(pairs) and all(
        value in (spelled(defaults.get(key, DEFAULT)), DEFAULT) for key, value in pairs.items()
    )
    label = ", ".join(f"{key}={value}" for key, value in pairs.items() if value != DEFAULT)
    paper = declared.paper.get(JF) if declared else None
    return {
        "label": (declared.label if declared else label) or "default settings",
        "setting": pairs,
        "default": declared.default if declared else is_default,
        "control": False,
        "paper": None if paper is None else float(paper),
        **_moments(runs, {metric: f"metric/{metric}" for metric in metrics}),
    }


def _moments(runs: pd.DataFrame, columns: dict[str, str]) -> dict[str, Any]:
    """Mean and unbiased standard deviation over runs; one run has no spread."""
    figures: dict[str, Any] = {"n": len(runs), "signatures": sorted(runs["signature"])}
    for metric, column in columns.items():
        values = pd.to_numeric(runs[column]) if column in runs else pd.Series(dtype=float)
        figures[metric] = values.mean()
        figures[f"{metric}/std"] = values.std(ddof=1)
    return figures


def _controls(done: pd.DataFrame, metrics: list[str]) -> list[dict[str, Any]]:
    """A row for each control; figures that several runs share count once."""
    rows = []
    for control, label in CONTROLS.items():
        columns = {metric: f"control/{control}/{metric}" for metric in metrics}
        there = [column for column in columns.values() if column in done]
        measured = done.dropna(subset=there).drop_duplicates(there) if there else done.iloc[:0]
        if len(measured):
            row = {"label": label, "setting": {}, "default": False, "control": True, "paper": None}
            rows.append({**row, **_moments(measured, columns)})
    return rows


def _declared_row(selected: Selected, pairs: dict[str, str]) -> Row | None:
    if selected.declared is None:
        return None
    return selected.declared.row({k: v for k, v in pairs.items() if v != DEFAULT})


def _in_order(selected: Selected, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The declared order; what is not declared follows, by setting."""
    order = [row.label for row in selected.declared.rows] if selected.declared else []

    def place(row: dict[str, Any]) -> tuple[int, list[tuple[float, str]]]:
        known = order.index(row["label"]) if row["label"] in order else len(order)
        return known, [_sortable(value) for value in row["setting"].values()]

    return sorted(rows, key=place)


def _sortable(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _left_out(runs: pd.DataFrame) -> list[str]:
    """How many runs are not in the figures, by state, with the errors of failed ones."""
    notes = []
    for state, part in runs[runs["state"] != "finished"].groupby("state"):
        notes.append(
            f"{len(part)} run(s) {state}, not in the figures: " + ", ".join(part["signature"])
        )
        for _, run in part.dropna(subset=["error"]).iterrows():
            notes.append(f"  {run['signature']}: {str(run['error']).strip().splitlines()[-1]}")
    return notes


def _caption(selected: Selected, done: pd.DataFrame) -> str:
    run = (done if len(done) else selected.runs).iloc[-1]
    fixed = "".join(f", {key}={value}" for key, value in selected.fixed.items())
    benchmark = f"benchmark {run['benchmark']} ({run['benchmark_files']})"
    benchmark += "" if pd.isna(run["protocol"]) else f", protocol {run['protocol']}"
    return (
        f"preset {run['preset']}{fixed}; "
        f"{'no benchmark' if pd.isna(run['benchmark']) else benchmark}, "
        f"training clips {run['data']}; benchmark figures in percent; mean ± standard deviation "
        "over n seeds, of one seed no spread"
    )
