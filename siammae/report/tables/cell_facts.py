"""Describes what is behind a figure of a table in short sentences."""

from collections.abc import Callable

import pandas as pd

from siammae.evaluation.measuring.metric import Metric


def facts_of(row: pd.Series, metric: Metric, seeds: list[int]) -> list[str]:
    """Return the facts of one metric of one row; what a table has no column for is left out."""

    def shown(value: float, sign: bool = False) -> str:
        return metric.text(value, sign, more_digits=1)

    n = int(row.get(f"{metric}/n", row["n"]))
    listed = f": {', '.join(map(str, seeds))}" if len(seeds) == n else ""
    facts = [f"mean {shown(row[metric.name])} over n = {n}, seed{'s' * (n > 1)}{listed}"]
    if pd.notna(row.get(f"{metric}/std")):
        facts.append(f"standard deviation {shown(row[f'{metric}/std'])}")
    if pd.notna(row.get(f"{metric}/low")):
        ends = (shown(row[f"{metric}/{end}"]) for end in ("low", "high"))
        facts.append(f"95% interval {' to '.join(ends)}")
    facts += _difference(row, metric, shown)
    for column in (f"paper/{metric}", "paper"):
        if pd.notna(row.get(column)):
            facts.append(f"the paper's figure {row[column]:g}")
    return facts


def mark(row: pd.Series, metric: Metric) -> str:
    """Return the sign of a difference that is significantly not zero; else an empty text."""
    found = row.get(f"{metric}/mark")
    if isinstance(found, str):
        return found
    return "*" if pd.notna(found) and bool(found) else ""


def _difference(row: pd.Series, metric: Metric, shown: Callable[..., str]) -> list[str]:
    """Describe the paired difference from the default."""
    if pd.isna(row.get(f"{metric}/diff")):
        return []
    text = f"against the default {shown(row[f'{metric}/diff'], True)}"
    pairing = row.get(f"{metric}/pairing")
    text += f", paired over {pairing}" if isinstance(pairing, str) else ""
    if pd.notna(row.get(f"{metric}/diff_low")):
        ends = (shown(row[f"{metric}/{end}"], True) for end in ("diff_low", "diff_high"))
        text += f", 95% interval {' to '.join(ends)}"
    if pd.notna(row.get(f"{metric}/p_holm")):
        text += f", p = {row[f'{metric}/p_holm']:.2g} after Holm's correction"
    return [text + (f" {mark(row, metric)}" if mark(row, metric) else "")]
