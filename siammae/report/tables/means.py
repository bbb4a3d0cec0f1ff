"""Averages figures over runs: of a setting, and of the controls that were measured beside."""

from typing import Any

import numpy as np
import pandas as pd

from siammae.evaluation.measuring.metric import Metric
from siammae.report.tables.intervals import estimate

CONTROLS = {"copy_first_mask": "copy first mask", "untrained_encoder": "untrained encoder"}
OF_A_CELL = ("", "/std", "/low", "/high", "/n")
NO_ROW: dict[str, Any] = {
    "setting": {}, "default": False, "control": False, "run": False, "n": 0, "other_code": False,
}  # fmt: skip


def moments(runs: pd.DataFrame, columns: dict[str, str]) -> dict[str, Any]:
    """Return mean, unbiased standard deviation and interval over runs, and of how many they are.

    One run has no spread. A figure that is missing or NaN does not count.
    """
    figures: dict[str, Any] = {"signatures": sorted(runs["signature"])}
    for metric, column in columns.items():
        values = pd.to_numeric(runs[column]).dropna() if column in runs else pd.Series(dtype=float)
        found = estimate(values)
        figures[metric] = found.mean
        with np.errstate(invalid="ignore"):  # of infinite ones there is none
            figures[f"{metric}/std"] = values.std(ddof=1)
        figures |= {f"{metric}/low": found.low, f"{metric}/high": found.high}
        figures[f"{metric}/n"] = len(values)
        figures.setdefault("n", len(values))
    return figures


def controls(done: pd.DataFrame, metrics: list[Metric]) -> list[dict[str, Any]]:
    """Return a row for each control; a figure that several runs share counts once per metric.

    Untrained models of unlike decoders or heads have one encoder's figures in common.
    """
    rows = []
    names = done["control_name"].dropna()
    labels = {**CONTROLS, "copy_first_mask": names.iloc[-1]} if len(names) else CONTROLS
    for control, label in labels.items():
        columns = {metric.name: f"control/{control}/{metric}" for metric in metrics}
        there = [column for column in columns.values() if column in done]
        measured = done.dropna(subset=there) if there else done.iloc[:0]
        if len(measured):
            row = {**NO_ROW, "label": label, "control": True, "run": True}
            for metric, column in reversed(columns.items()):  # n is the first's
                distinct = measured.drop_duplicates(column if column in measured else there)
                row |= moments(distinct, {metric: column})
            rows.append(row)
    return rows
