"""Collects what is behind each figure of a table: runs, seeds, code, commands, files, pairs."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from siammae.evaluation.measuring.metric import PLAIN, Metric
from siammae.report.tables.comparisons import Comparison
from siammae.report.tables.intervals import LEVEL, METHOD
from siammae.report.tables.means import CONTROLS
from siammae.report.tables.selection import Selected
from siammae.report.tables.statistics_table import Table
from siammae.system.checksum import kept_checksum
from siammae.system.valid_json import valid_json
from siammae.training.training_metrics import LOSS

PACKAGES = ("numpy", "scipy", "statsmodels", "pandas")
FACTS = (
    *("seed", "state", "commit", "dirty", "code_version", "device", "precision", "command"),
    *("pairs_seen", "short_gap_pairs"),
)
Cell = dict[str, Any]


def sidecar(table: Table, selected: Selected) -> str:
    """Return a table with everything behind its figures as JSON.

    ``rows`` has the runs of each row, ``cells`` each figure of each row, and ``files``, which alone
    depends on where the runs lie, the files of each run.
    """
    rows = [row for _, row in table.rows.iterrows()]
    content = {
        "table": table.name,
        "question": table.question,
        "caption": table.caption,
        "notes": table.notes,
        "decides": table.objective.name,
        "level": LEVEL,
        "methods": "siammae/report/tables/intervals.py",
        "libraries": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "rows": {row["label"]: runs_of(row, selected) for row in rows},
        "cells": {
            row["label"]: {
                metric.name: cell(table, selected, row, metric) for metric in metrics_of(table)
            }
            for row in rows
        },
        "files": {name: found for row in rows for name, found in files_of(row, selected).items()},
    }
    return valid_json(content)


def metrics_of(table: Table) -> list[Metric]:
    """Return the table's metrics, and those of which only the paper has a figure."""
    return list(dict.fromkeys([*table.metrics, *table.paper]))


def runs_of(row: pd.Series, selected: Selected) -> dict[str, Cell]:
    """Return facts of each run behind a row, by signature."""
    runs = selected.runs.drop_duplicates("signature").set_index("signature")
    return {name: _facts(runs.loc[name]) for name in row["signatures"]}


def files_of(row: pd.Series, selected: Selected) -> dict[str, dict[str, str]]:
    """Return files of each run behind a row, by signature."""
    runs = selected.runs.drop_duplicates("signature").set_index("signature")
    return {name: _files(runs.loc[name].get("folder")) for name in row["signatures"]}


def cell(table: Table, selected: Selected, row: pd.Series, metric: Metric) -> Cell:
    """Return one figure: the runs' figures it was made of, its difference, and the paper's
    figure."""
    paper = row.get(f"paper/{metric}")
    source = row["paper_source"] or (selected.declared.source if selected.declared else "")
    if row["paper_second_hand"]:
        source += "; known from another text than the paper"
    found: Cell = {
        "metric": metric.name,
        "unit": "none, a plain number" if metric.unit == PLAIN else metric.unit,
        "better": metric.better,
        "n": int(row["n"] if metric not in table.metrics or not row["run"] else row[f"{metric}/n"]),
        "formula": _formula(row, metric),
        "figures": _figures(row, metric, selected),
        "paper": None
        if paper is None or pd.isna(paper)
        else {"figure": float(paper), "source": source},
    }
    if metric not in table.metrics:
        return found
    found |= {"mean": row[metric.name], "std": row[f"{metric}/std"]}
    if row["n"] > 1:
        found["interval"] = [row[f"{metric}/low"], row[f"{metric}/high"]]
        found["interval_method"] = METHOD
    compared = table.compared.of.get((tuple(row["setting"].values()), metric.name))
    if compared is not None and row["run"]:
        found["difference"] = _difference(table, row, metric, compared)
    return found


def _difference(table: Table, row: pd.Series, metric: Metric, compared: Comparison) -> Cell:
    """Return the difference from the default, with each pair of runs."""
    default = table.rows.loc[table.rows["default"] & table.rows["run"], "label"].iloc[0]
    names = ("diff", "diff_low", "diff_high", "p", "p_holm", "mark")
    figures = {name: row[f"{metric}/{name}"] for name in names}
    what = {"seeds": "seeds, a paired t test", "videos": "videos, clusters of their objects"}
    return {
        "from": default,
        **figures,
        "paired_over": what.get(compared.pairing, f"nothing: {compared.lacks}"),
        "seeds": list(compared.seeds),
        "pairs": compared.differences,
        "videos_left_out": list(compared.left_out),
    }


def _formula(row: pd.Series, metric: Metric) -> str:
    if not row["run"]:
        return "no finished run"
    what = (
        "each run's loss, the mean of its last 100 optimiser steps"
        if metric == LOSS
        else f"each run's {metric} on the benchmark, over all its videos"
    )
    if row["control"]:
        return f"mean over the control's distinct figures of {metric.head}, n of them"
    return f"mean over n seeds of {what}"


def _figures(row: pd.Series, metric: Metric, selected: Selected) -> dict[str, float | None]:
    """Return each run's figure at full precision."""
    is_untrained = row["label"] == CONTROLS["untrained_encoder"]
    control = "untrained_encoder" if is_untrained else "copy_first_mask"
    column = f"control/{control}/{metric}" if row["control"] else f"metric/{metric}"
    runs = selected.runs.drop_duplicates("signature").set_index("signature")
    if column not in runs:
        return {}
    return {name: runs.loc[name, column] for name in row["signatures"]}


def _facts(run: pd.Series) -> Cell:
    facts = {name: run.get(name) for name in FACTS}
    created = float(run.get("created") or 0.0)
    facts["date"] = datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds")
    return facts


def _files(folder: object) -> dict[str, str]:
    """Return what lies in a run's folder; empty when the run is known from elsewhere."""
    if not isinstance(folder, str):
        return {}
    there = Path(folder)
    names = ("summary.json", "config.yaml", "metrics.jsonl", "encoder.safetensors")
    files = {name: str(there / name) for name in names if (there / name).is_file()}
    checkpoints = sorted((there / "checkpoints").glob("step-*.pt"))
    if checkpoints:
        last = checkpoints[-1]
        files["checkpoint"] = str(last)
        if kept := kept_checksum(last):
            files["checkpoint_sha256"] = kept
    return files
