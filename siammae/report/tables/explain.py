"""Explains one figure of a table: ``make_tables.py --explain TABLE/ROW/METRIC``."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from siammae.evaluation.measuring.metric import SHARE, Metric
from siammae.report.tables.intervals import LEVEL
from siammae.report.tables.metric_names import find_metric, plain
from siammae.report.tables.render import sidecar_name
from siammae.report.tables.selection import Selected
from siammae.report.tables.sidecar import Cell, cell, files_of, metrics_of, runs_of
from siammae.report.tables.statistics_table import Table
from siammae.system.errors import DataError

Tables = Sequence[tuple[Selected, Table]]


def explain(tables: Tables, name: str) -> str:
    """Return the text for a cell such as ``decoder/joint/jf``.

    Case and punctuation do not matter; metrics have short names (jf, j, f, miou, pck1, loss); the
    row may be ``default``, and may have its (default) or (control) behind it.

    Raises:
        DataError: when there is no such cell, with the nearest names.
    """
    selected, table, row, metric = _find(tables, name)
    found = cell(table, selected, row, metric)
    lines = [f"{table.name} / {row['label']} / {metric}"]
    if table.question:
        lines.append(table.question)
    lines += _others(tables, selected)
    lines += ["", *_figure(found, metric), "", *_runs(found, metric, row, selected)]
    if "difference" in found:
        lines += ["", *_difference(found["difference"], metric)]
    if found["paper"]:
        paper = found["paper"]
        lines += ["", f"paper: {paper['figure']:g}", f"  {paper['source'] or 'no source is named'}"]
    methods = "methods: siammae/report/tables/intervals.py"
    lines += ["", f"at full precision: {sidecar_name(table.name)}; {methods}"]
    return "\n".join(lines)


def _others(tables: Tables, selected: Selected) -> list[str]:
    """Name the tables of the same question, and in what they differ."""
    alike = [each for each, _ in tables if each.question == selected.question]
    lines = [
        f"{each.name} is unlike {each.question}: {each.unlike}" for each in alike if each.unlike
    ]
    names = ", ".join(each.name for each in alike if each is not selected)
    return ["", f"there is also {names}", *lines] if names else []


def _find(tables: Tables, name: str) -> tuple[Selected, Table, pd.Series, Metric]:
    first, _, rest = name.partition("/")
    by_name = {table.name: (selected, table) for selected, table in tables}
    selected, table = by_name[_one(first, by_name, "table")]
    labels = table.rows["label"].tolist()
    printed = {label + sign: label for label, sign in zip(labels, _signs(table), strict=True)}
    parts = rest.split("/")
    if len(parts) < 2:
        raise DataError(f"{name} is no cell: it takes TABLE/ROW/METRIC, as decoder/joint/jf")
    metrics = metrics_of(table)
    for cut in range(1, len(parts)):  # rows and metrics may have a / of their own
        metric = find_metric("/".join(parts[cut:]), metrics)
        label = _match("/".join(parts[:cut]), labels)
        label = label or printed.get(_match("/".join(parts[:cut]), printed) or "")
        if metric and (label or cut == len(parts) - 1):
            wanted = "/".join(parts[:cut])
            default = table.rows.loc[table.rows["default"], "label"].tolist()
            if label is None and plain(wanted) == "default" and default:
                label = default[0]
            row = table.rows[table.rows["label"] == (label or _one(wanted, labels, "row"))].iloc[0]
            return selected, table, row, metric
    _one(parts[-1], [metric.head for metric in metrics], "metric")
    there = ", ".join(map(str, metrics))
    raise DataError(f"{name}: metric {parts[-1]} is not clear; there are {there}")


def _signs(table: Table) -> list[str]:
    """Return the mark behind each label in print."""
    return [
        " (default)" if row["default"] else " (control)" if row["control"] else ""
        for _, row in table.rows.iterrows()
    ]


def _match(name: str, names: Iterable[str]) -> str | None:
    names = list(names)
    if name in names:
        return name
    found = [each for each in names if plain(each) == plain(name)]
    return found[0] if len(found) == 1 and plain(name) else None


def _one(name: str, names: Iterable[str], what: str) -> str:
    """Return the only entry that matches, or raise an error.

    Raises:
        DataError: with the nearest names, when there is none or are several.
    """
    names = list(dict.fromkeys(names))
    found = _match(name, names)
    if found is not None:
        return found
    by_plain = {plain(each): each for each in names}
    near = [by_plain[each] for each in difflib.get_close_matches(plain(name), by_plain, 3, 0.5)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise DataError(f"no {what} '{name}'; {hint}there are: {', '.join(names)}")


def _figure(found: Cell, metric: Metric) -> list[str]:
    mean = found.get("mean")
    if mean is None or pd.isna(mean):
        return [f"no figure: {found['formula'] if not found['n'] else 'it was not measured'}"]
    unit = " (percent)" if metric.unit == SHARE else f" {metric.unit}".rstrip()
    lines = [f"mean: {metric.text(mean)}{unit}, exactly {float(mean)!r}"]
    if "interval" in found:
        low, high = (metric.text(end) for end in found["interval"])
        lines.append(f"standard deviation: {metric.text(found['std'])}")
        lines.append(f"{LEVEL:.0%} interval: [{low}, {high}], {found['interval_method']}")
    else:
        lines.append("interval: none, of one figure no spread is known")
    return [*lines, f"formula: {found['formula']}", f"n: {found['n']}"]


def _runs(found: Cell, metric: Metric, row: pd.Series, selected: Selected) -> list[str]:
    runs, files = runs_of(row, selected), files_of(row, selected)
    lines = ["runs:"] if runs else ["runs: none"]
    for signature, facts in runs.items():
        figure = found["figures"].get(signature)
        text = "not measured" if figure is None or pd.isna(figure) else metric.text(figure)
        commit = facts["commit"] or "unknown"
        state = {True: " with changes (git.diff)", False: ""}.get(facts["dirty"], "")
        lines += [
            f"  {signature}: seed {facts['seed']}, {metric.head} {text}",
            f"    commit {commit}{state}, code {facts['code_version'] or 'unknown'}, "
            f"{facts['device'] or 'device unknown'}, {facts['precision'] or 'precision unknown'}, "
            f"{facts['date']}",
            f"    asked for by python {facts['command']}",
        ]
        lines += [f"    {_file(name, path)}" for name, path in files[signature].items()]
    return lines


def _file(name: str, path: str) -> str:
    return f"  sha256 {path}" if name == "checkpoint_sha256" else path


def _difference(found: dict[str, Any], metric: Metric) -> list[str]:
    if pd.isna(found["diff"]):
        why = found["paired_over"].removeprefix("nothing: ")
        return [f"difference from {found['from']}: none, {why}"]
    low, high = (metric.text(found[name], True) for name in ("diff_low", "diff_high"))
    seeds = ", ".join(map(str, found["seeds"]))
    mark = "marked" if found["mark"] else "not marked"
    lines = [
        f"difference from {found['from']}: {metric.text(found['diff'], True)} [{low}, {high}], "
        f"p {found['p']:.3g}, after Holm {found['p_holm']:.3g}: {mark}",
        f"  paired over {found['paired_over']}; of seed {seeds}",
    ]
    unit = "seed " if found["paired_over"].startswith("seeds") else ""
    pairs = found["pairs"].items()
    lines += [f"  {unit}{name}: {metric.text(pair, True)}" for name, pair in pairs]
    if found["videos_left_out"]:
        lines.append(f"  only one side has {', '.join(found['videos_left_out'])}")
    return lines
