"""Makes sections of the page from tables: cells with the runs and facts behind them."""

from pathlib import Path
from typing import Any

import pandas as pd

from siammae.report.figures.drawn import Drawn
from siammae.report.page.page import Cell, Grid, Link, Section
from siammae.report.tables import evaluations
from siammae.report.tables.cell_facts import facts_of
from siammae.report.tables.evaluations import Evaluated, labelled
from siammae.report.tables.parts import parts
from siammae.report.tables.render import cells
from siammae.report.tables.statistics_table import Table


def section_of_runs(
    table: Table, runs: pd.DataFrame, runs_dir: Path, files: list[Path], drawn: list[Drawn]
) -> Section:
    """Make the section of a table of runs.

    Args:
        table: its figures.
        runs: all runs of the table, as `load` has them, with their ``setting``.
        runs_dir: folder of the runs.
        files: the other forms of the table.
        drawn: its pictures.
    """
    links = {
        str(run["signature"]): Link(
            runs_dir / run["signature"], run["signature"], f"seed {run['seed']}, {run['state']}"
        )
        for _, run in runs.iterrows()
    }
    seeds = dict(zip(runs["signature"], runs["seed"], strict=True))
    grids = [_grid(part, links, seeds, group) for group, part in parts(table)]
    listed = _runs(table, runs, links)
    question = table.question or ""
    return Section(table.name, question, grids, table.caption, table.notes, files, drawn, listed)


def _grid(table: Table, links: dict[str, Link], seeds: dict[str, int], heading: str) -> Grid:
    """Return the cells of a table with the runs behind each figure."""
    heads, lines = cells(table, str)
    columns = {heads.index(metric.head): metric for metric in table.metrics}
    exact = {f"Δ {metric.head}": f"{metric}/diff" for metric in table.metrics}
    rows: list[list[Cell]] = []
    for (index, row), line in zip(table.rows.iterrows(), lines, strict=True):
        behind = [links[name] for name in row["signatures"] if name in links]
        listed = sorted({seeds[name] for name in row["signatures"] if name in seeds})
        made = [_label(row, line[0], index in table.best)]
        for column, text in enumerate(line[1:], 1):
            metric = columns.get(column)
            if metric is None or not text:
                value = row.get(exact.get(heads[column], ""))
                made.append(Cell(text, _value(text) if value is None or not text else float(value)))
            else:
                best = index in table.best and metric == table.objective
                facts = facts_of(row, metric, listed)
                made.append(Cell(text, float(row[metric.name]), best, facts=facts, links=behind))
        rows.append(made)
    control = list(table.rows["control"])
    return Grid(
        heads,
        [False] + [True] * (len(heads) - 1),
        [row for row, last in zip(rows, control, strict=True) if not last],
        [row for row, last in zip(rows, control, strict=True) if last],
        heading,
    )


def section_of_encoders(table: Evaluated, files: list[Path]) -> Section:
    """Make the section of a table of encoders."""
    heads, lines = evaluations.cells(table, _bold)
    entries = [entry for _, entry in labelled(table)]
    entries += [table.control] if table.control is not None else []
    rows = []
    for entry, line in zip(entries, lines, strict=True):
        figures = entry["result"]["metrics"]
        made = [Cell(line[0], line[0], facts=_of_entry(entry))]
        for metric, text in zip(table.metrics, line[1:], strict=True):
            best = text.startswith(BOLD)
            value = float(figures[metric.name]) if text else None
            made.append(Cell(text.removeprefix(BOLD), value, best))
        rows.append(made)
    count = len(table.entries)
    numeric = [False] + [True] * len(table.metrics)
    return Section(
        table.name,
        "",
        [Grid(heads, numeric, rows[:count], rows[count:])],
        table.caption,
        table.notes,
        files,
    )


BOLD = "\0"  # in front of the best figure; no label has it


def _bold(text: str) -> str:
    return BOLD + text


def _label(row: pd.Series, text: str, best: bool) -> Cell:
    """Return a row's label, and the settings that it stands for where they are not its label."""
    setting = ", ".join(f"{key}={value}" for key, value in row["setting"].items())
    return Cell(text, text, best, aside="" if setting == row["label"] else setting)


def _value(text: str) -> float | str | None:
    """Return the number that a cell without a declared metric is sorted by: its first one."""
    first = text.split()[0].rstrip("*") if text.split() else ""
    try:
        return float(first)
    except ValueError:
        return text or None


def _of_entry(entry: dict[str, Any]) -> list[str]:
    facts = ("key", "code_version", "device", "precision")
    lines = [f"{fact.replace('_', ' ')} {entry[fact]}" for fact in facts if entry.get(fact)]
    command = entry.get("command")
    return lines + ([f"command {' '.join(map(str, command))}"] if command else [])


def _runs(table: Table, runs: pd.DataFrame, links: dict[str, Link]) -> Grid:
    """List all runs, also those behind no figure, with the facts in which they differ."""
    metric, decides = f"metric/{table.objective}", table.objective
    used = {signature for names in table.rows["signatures"] for signature in names}
    shown = {"seed": "seed", "state": "state", "device": "device", "code_version": "code"}
    rows = []
    for _, run in runs.drop_duplicates("signature").iterrows():
        figure = run.get(metric)
        setting = ", ".join(map("=".join, zip(table.axes, run["setting"], strict=True)))
        signature = run["signature"]
        error = str(run["error"]).strip() if isinstance(run["error"], str) else ""
        known = figure if figure is not None and pd.notna(figure) else None
        rows.append(
            [
                Cell("", signature, links=[Link(links[signature].path, signature)]),
                Cell(setting, setting),
                *(_fact(run[column]) for column in shown),
                Cell("" if known is None else decides.text(known, more_digits=1), known),
                Cell("yes" if signature in used else "no", "yes" if signature in used else "no"),
                _fact(error or run["command"]),
            ]
        )
    heads = ["run", "setting", *shown.values(), decides.head, "in the figures", "command or error"]
    return Grid(heads, [head in ("seed", decides.head) for head in heads], rows)


def _fact(value: Any) -> Cell:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return Cell("", None)
    return Cell(str(value), value if isinstance(value, int | float) else str(value))
