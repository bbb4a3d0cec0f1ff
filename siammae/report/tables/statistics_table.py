"""Makes the rows of a table from its runs: figures over seeds, differences, controls."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from siammae.config.experiment import Row, spelled
from siammae.evaluation.measuring.metric import Metric, of_quality
from siammae.report.tables.captions import (
    beaten_by_controls,
    caption,
    left_out,
    not_compared,
    notes_of_declaration,
    one_and_the_same,
    partly_measured,
    ranks,
    short_gaps,
    without_videos,
)
from siammae.report.tables.comparisons import COLUMNS, Compared
from siammae.report.tables.means import NO_ROW, OF_A_CELL, controls, moments
from siammae.report.tables.metric_names import find_metric, meaning, named
from siammae.report.tables.selection import DEFAULT, OTHER_CODE, Selected
from siammae.tracking.provenance import changed_files
from siammae.training.training_metrics import LOSS

CODE_NOTE = (
    f"{OTHER_CODE} marks rows with runs of other code than the newest run; "
    "rerun=true trains them anew"
)


@dataclass
class Table:
    """A table ready to be printed.

    objective: the metric that decides which row is best.
    metrics: what is shown, the objective first.
    rows: one a setting, in order. Columns: ``label``, ``setting``, ``default``, ``control``,
    ``run`` (whether finished runs stand behind it), ``n`` (of how many the objective is the
    mean), ``other_code`` (whether one of them was trained with other code than the newest run),
    ``signatures``; for each metric ``<metric>`` (mean), ``/std`` (NaN for one seed), ``/low`` and
    ``/high`` (of the 95% interval of the mean; NaN for one seed), ``/n`` (of how many it is the
    mean), ``/diff``, ``/diff_low``, ``/diff_high`` (difference from the default row with its 95%
    interval), ``/p``, ``/p_holm``, ``/mark`` (whether it is significant after Holm's correction),
    ``/pairing`` (``seeds``, ``videos`` or nothing); and ``paper/<metric>`` for each metric of which
    the paper has a figure, in the unit of its table.
    compared: the comparisons behind ``diff`` and what follows.
    groups: headings of the parts that `parts` cuts the table into; rows have then a column
    ``group``, empty for those of every part.
    """

    name: str
    question: str
    axes: list[str]
    objective: Metric
    metrics: list[Metric]
    rows: pd.DataFrame
    caption: str
    notes: list[str] = field(default_factory=list)
    compared: Compared = field(default_factory=lambda: Compared({}, None, []))
    groups: list[str] = field(default_factory=list)

    @property
    def best(self) -> frozenset[int]:
        """Return the index of the best trained row, and of those that print the same figure.

        It is empty when there is nothing to choose from. Training losses under different masks,
        heads, gaps or crops do not compare: none is best.
        """
        if self.objective == LOSS or self.objective.better == "neither":
            return frozenset()
        trained = self.rows[~self.rows["control"]][self.objective.name].dropna()
        if len(trained) < 2:
            return frozenset()
        best = trained.min() if self.objective.better == "less" else trained.max()
        printed = trained.map(self.objective.text)
        return frozenset(map(int, trained.index[printed == self.objective.text(best)]))

    @property
    def paper(self) -> list[Metric]:
        """Return the metrics of which the paper has a figure; they need not have been measured
        here."""
        measured = {metric.name: metric for metric in self.metrics}
        names = [str(name) for name in self.rows if str(name).startswith("paper/")]
        names = [name.removeprefix("paper/") for name in names]
        return [measured.get(name) or named(name) for name in names]


def tabulate(selected: Selected, defaults: dict[str, str]) -> Table:
    """Average over seeds; unfinished, failed and pruned runs are counted, never averaged in."""
    done = selected.runs[selected.runs["state"] == "finished"]
    objective, metrics, unknown = _metrics(selected, done)
    settings = {part["setting"].iloc[0]: part for _, part in done.groupby("setting", sort=False)}
    rows = [
        _describe(selected, setting, part, metrics, defaults) for setting, part in settings.items()
    ]
    for row, part in zip(rows, settings.values(), strict=True):
        newest = done.sort_values("created").iloc[-1]
        row["other_code"] = any(is_other_code(run, newest) for _, run in part.iterrows())
    rows = _in_order(selected, rows + _without_runs(selected, rows))
    compared = _compare(rows, settings, metrics)
    frame = _frame(rows + controls(done, metrics), metrics)
    groups = selected.declared.groups if selected.declared else []
    if groups:
        frame.insert(0, "group", _groups(selected, frame))
    declared_notes = notes_of_declaration(selected, unknown, metrics)
    return Table(
        name=selected.name,
        question=selected.declared.question if selected.declared else "",
        axes=selected.axes,
        objective=objective,
        metrics=metrics,
        rows=frame,
        caption=caption(selected, done, frame, metrics),
        notes=[
            *([CODE_NOTE] if frame["other_code"].any() else []),
            *left_out(selected.runs),
            *selected.notes,
            *partly_measured(frame, settings, metrics),
            *one_and_the_same(frame),
            *without_videos(done),
            *short_gaps(frame, settings),
            *not_compared(frame, compared, objective),
            *beaten_by_controls(frame, objective),
            *ranks(frame, settings, compared, metrics),
            *declared_notes,
        ],
        compared=compared,
        groups=groups,
    )


def is_other_code(run: pd.Series, newest: pd.Series) -> bool:
    """Whether a run was trained with other code than the newest; unknown code does not count."""
    if pd.isna(run["code_version"]) or run["code_version"] == newest["code_version"]:
        return False
    files, now = run["code_files"], newest["code_files"]
    known = isinstance(files, dict) and isinstance(now, dict)
    return bool(changed_files(files, now)) if known else True


def read_defaults(config: Path) -> dict[str, str]:
    """Return the default of each top-level setting and group as text."""
    content = yaml.safe_load(config.read_text())
    defaults = {
        key: str(value).replace(" ", "") for key, value in content.items() if key != "defaults"
    }
    for entry in content["defaults"]:
        if isinstance(entry, dict):
            defaults.update({key: str(value) for key, value in entry.items()})
    return defaults


def _metrics(selected: Selected, done: pd.DataFrame) -> tuple[Metric, list[Metric], list[str]]:
    """Return the objective, the metrics shown, and those asked for and never measured.

    The experiment chooses; else the objective of the runs' benchmark decides, and it, the other
    means and the loss are shown.
    """
    declared = {name: metric for of_run in done["declared"] for name, metric in of_run.items()}
    measured = [
        meaning(column.removeprefix("metric/"), declared)
        for column in map(str, done.columns)
        if column.startswith("metric/") and done[column].notna().any()
    ]
    decided_by = done["objective"].dropna()
    objective = meaning(of_quality(decided_by.iloc[0])[0], declared) if len(decided_by) else LOSS
    asked = selected.declared.metrics if selected.declared else []
    found = {name: find_metric(name, measured) for name in asked}
    chosen = list(dict.fromkeys(metric for metric in found.values() if metric))
    unknown = [name for name, metric in found.items() if metric is None]
    if chosen:
        return chosen[0], chosen, unknown
    others = [metric for metric in measured if not metric.detail and metric != LOSS]
    shown = dict.fromkeys([objective, *others, LOSS])
    return objective, list(shown), unknown


def _compare(
    rows: list[dict[str, Any]], settings: dict[Any, pd.DataFrame], metrics: list[Metric]
) -> Compared:
    """Add each row's differences from the first default row that has runs."""
    default = next((_key(row) for row in rows if row["default"] and row["run"]), None)
    compared = Compared(settings, default, metrics)
    for row in rows:
        for metric in metrics:
            row |= compared.columns(_key(row) if row["run"] else None, metric)
    return compared


def _frame(rows: list[dict[str, Any]], metrics: list[Metric]) -> pd.DataFrame:
    """Return the table's columns; controls are compared with nothing."""
    frame = pd.DataFrame(rows, columns=_columns(metrics, rows))
    for metric in metrics:
        frame[f"{metric}/mark"] = frame[f"{metric}/mark"].eq(True)
        frame[f"{metric}/pairing"] = frame[f"{metric}/pairing"].fillna("")
    frame["paper_second_hand"] = frame["paper_second_hand"].eq(True)
    frame["paper_source"] = frame["paper_source"].fillna("")
    return frame.astype(dict.fromkeys(["default", "control", "run", "other_code"], bool))


def _columns(metrics: list[Metric], rows: list[dict[str, Any]]) -> list[str]:
    figures = [f"{metric}{part}" for metric in metrics for part in OF_A_CELL]
    compared = [f"{metric}/{part}" for metric in metrics for part in COLUMNS]
    paper = dict.fromkeys(name for row in rows for name in row if name.startswith("paper/"))
    head = ["label", "setting", "default", "control", "run", "n", "other_code"]
    of_paper = ["paper_second_hand", "paper_source"]
    return [*head, *figures, *compared, *paper, *of_paper, "signatures"]


def _groups(selected: Selected, frame: pd.DataFrame) -> list[str]:
    """Return the declared group of each row, an empty text for one without."""
    rows = selected.declared.rows if selected.declared else []
    of = {row.label: row.group or "" for row in rows}
    return [of.get(label, "") for label in frame["label"]]


def _key(row: dict[str, Any]) -> Hashable:
    return tuple(row["setting"].values())


def _describe(
    selected: Selected,
    setting: tuple[str, ...],
    runs: pd.DataFrame,
    metrics: list[Metric],
    defaults: dict[str, str],
) -> dict[str, Any]:
    pairs = dict(zip(selected.axes, setting, strict=True))
    declared = _declared_row(selected, pairs)
    is_default = bool(pairs) and all(
        value in (spelled(defaults.get(key, DEFAULT)), DEFAULT) for key, value in pairs.items()
    )
    label = ", ".join(f"{key}={value}" for key, value in pairs.items() if value != DEFAULT)
    return {
        "label": (declared.label if declared else label) or "default settings",
        "setting": pairs,
        "default": declared.default if declared else is_default,
        "control": False,
        "run": True,
        **moments(runs, {metric.name: f"metric/{metric}" for metric in metrics}),
        **(_paper(declared) if declared else {}),
    }


def _without_runs(selected: Selected, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return declared rows of which no run is finished, and rows of the paper alone."""
    there = {row["label"] for row in rows}
    missing = [
        row
        for row in (selected.declared.rows if selected.declared else [])
        if row.label not in there
    ]
    return [
        {
            **NO_ROW,
            "label": row.label,
            "setting": {key: spelled((row.set or {}).get(key, DEFAULT)) for key in selected.axes}
            if row.set is not None
            else {},
            "default": row.default,
            "signatures": [],
            **_paper(row),
        }
        for row in missing
    ]


def _paper(row: Row) -> dict[str, Any]:
    known = {name: float(value) for name, value in row.paper.items() if value is not None}
    facts = {"paper_second_hand": row.second_hand, "paper_source": row.source} if known else {}
    return {f"paper/{name}": value for name, value in known.items()} | facts


def _declared_row(selected: Selected, pairs: dict[str, str]) -> Row | None:
    if selected.declared is None:
        return None
    return selected.declared.row({k: v for k, v in pairs.items() if v != DEFAULT})


def _in_order(selected: Selected, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows in the declared order; what is not declared follows, by setting."""
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
