"""Writes what stands under a table: what was measured, how it was compared, what was left out."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from siammae.config.suggestions import nearest
from siammae.evaluation.declared_metrics import metrics_of_our_benchmarks
from siammae.evaluation.measuring.metric import Metric, directions_of, undeclared, units_of
from siammae.report.tables.agreement import FEWEST, agree
from siammae.report.tables.comparisons import Compared
from siammae.report.tables.metric_names import named, same_elsewhere
from siammae.report.tables.selection import SECOND_HAND, Selected
from siammae.training.training_metrics import LOSS

MARK = "*"
STATES = ("pruned", "failed", "interrupted", "running", "planned")


def caption(
    selected: Selected, done: pd.DataFrame, rows: pd.DataFrame, metrics: list[Metric]
) -> str:
    """Describe preset, benchmark and data, what the cells are, and how differences were found."""
    objective, measured = metrics[0], [metric for metric in metrics if metric != LOSS]
    run = (done if len(done) else selected.runs).iloc[-1]
    fixed = "".join(f", {key}={value}" for key, value in selected.fixed.items())
    benchmark = f"benchmark {run['benchmark']} ({run['benchmark_files']})"
    benchmark += "" if pd.isna(run["protocol"]) else f", protocol {run['protocol']}"
    parts = [
        f"preset {run['preset']}{fixed}",
        f"{'no benchmark' if pd.isna(run['benchmark']) else benchmark}, training clips "
        f"{run['data']}",
    ]
    if measured:
        parts += [f"benchmark figures {units_of(measured)}", *directions_of(measured)]
    if (run["composed"] or {}).get("frame_gap_unit") == "seconds":
        parts.append("frame_gap in seconds")
    if (rows["n"] > 1).any():
        parts.append(f"{objective.head}: mean ± standard deviation over n seeds [95% t interval]")
    else:
        parts.append("one seed each, so no spread over seeds is known")
    return "; ".join(parts + _differences(rows, metrics))


def _differences(rows: pd.DataFrame, metrics: list[Metric]) -> list[str]:
    """Explain how differences of the objective were paired and tested, and what the mark means."""
    metric = metrics[0]
    of = {
        pairing: rows.loc[rows[f"{metric}/pairing"] == pairing, "label"].tolist()
        for pairing in ("seeds", "videos")
    }
    tested = sum(map(len, of.values()))
    if not tested:
        return []
    texts = {
        "seeds": "paired over seeds",
        "videos": "paired over videos (clusters of their objects): of other videos for these "
        "trainings alone, other seeds may differ",
    }
    used = [pairing for pairing, labels in of.items() if labels]
    parts = [
        texts[pairing] + (f" ({', '.join(of[pairing])})" if len(used) > 1 else "")
        for pairing in used
    ]
    family = f"Holm's correction for {tested} comparison{'s' if tested > 1 else ''}"
    shown = [m for m in same_elsewhere(metrics) if rows[f"{m}/diff"].notna().any()]
    family += " of each metric" if len(shown) > 1 else ""
    return [
        f"Δ: difference from the default [95% t interval], {'; '.join(parts)}",
        f"{MARK}: p at most 5% after {family}",
    ]


def left_out(runs: pd.DataFrame) -> list[str]:
    """Count the runs that are not in the figures by state, with the errors of failed ones."""
    notes = []
    for state, part in runs[runs["state"] != "finished"].groupby("state"):
        notes.append(
            f"{len(part)} run(s) {state}, not in the figures: " + ", ".join(part["signature"])
        )
        for _, run in part.dropna(subset=["error"]).iterrows():
            notes.append(f"  {run['signature']}: {str(run['error']).strip().splitlines()[-1]}")
    return notes


def unfinished(selected: Selected) -> str:
    """Describe the states and errors of runs of which none is finished."""
    runs = selected.runs.drop_duplicates("signature")
    errors = (str(error).strip().splitlines() for error in runs["error"].dropna())
    reasons = dict.fromkeys(lines[-1] for lines in errors if lines)
    parts = []
    for state, part in sorted(runs.groupby("state"), key=lambda found: -STATES.index(found[0])):
        why = f" ({'; '.join(reasons)})" if state == "failed" and reasons else ""
        parts.append(f"{len(part)} {state}{why}")
    return f"{selected.name}: no finished run yet, {', '.join(parts)}"


def notes_of_declaration(
    selected: Selected, unknown: list[str], metrics: list[Metric]
) -> list[str]:
    """Name metrics that no run has, and where the paper's figures come from."""
    declared = selected.declared
    if declared is None:
        return []
    notes = [
        f"metric {name} of the experiment was not measured; shown: {', '.join(map(str, metrics))}"
        for name in unknown
    ]
    if declared.source:
        notes.append(f"paper: {declared.source}")
    told = dict.fromkeys(name for row in declared.rows for name in row.paper)
    # Our benchmarks take a while to import: they are asked about what nobody has measured.
    measured = {str(metric) for metric in metrics}
    for name in told:
        if name not in measured and named(name) == undeclared(name):
            hint = nearest(name, [str(metric) for metric in metrics_of_our_benchmarks()])
            notes.append(f"paper's figures of {name}: no benchmark has it{hint}")
    notes += [
        f"paper's figures of {row.label}: {row.source}" for row in declared.rows if row.source
    ]
    if any(row.second_hand and any(row.paper.values()) for row in declared.rows):
        notes.append(f"{SECOND_HAND} marks figures of a paper that are known from another text")
    return notes


def short_gaps(rows: pd.DataFrame, settings: dict[Any, pd.DataFrame]) -> list[str]:
    """Name rows whose clips were too short for the frame gap, with the share of such pairs."""
    notes = []
    for _, row in rows[rows["run"] & ~rows["control"]].iterrows():
        runs = settings[_key(row)].dropna(subset=["pairs_seen", "short_gap_pairs"])
        short, seen = runs["short_gap_pairs"].sum(), runs["pairs_seen"].sum()
        if short > 0 and seen > 0:
            notes.append(
                f"{row['label']}: {_percent(short / seen)} of the pairs had a smaller gap than "
                "drawn, their clips are too short"
            )
    return notes


def partly_measured(
    rows: pd.DataFrame, settings: dict[Any, pd.DataFrame], metrics: list[Metric]
) -> list[str]:
    """Name the runs of a row that have no figure, or one that is NaN, and so are in no mean."""
    notes = []
    for _, row in rows[rows["run"] & ~rows["control"]].iterrows():
        runs = settings[_key(row)]
        for metric in metrics:
            n, column = int(row[f"{metric}/n"]), f"metric/{metric}"
            if n == len(runs) or (n == 0 and metric != metrics[0]):
                continue
            absent = runs[runs[column].isna()] if column in runs else runs
            notes.append(
                f"{row['label']}: {metric.head} of {n} of its {len(runs)} runs; not a number, or "
                f"not measured, in {', '.join(sorted(absent['signature']))}"
            )
    return notes


def one_and_the_same(rows: pd.DataFrame) -> list[str]:
    """Name rows that are the same runs, as where a preset already sets what a row sets."""
    trained = rows[rows["run"] & ~rows["control"]]
    alike: dict[tuple[str, ...], list[str]] = {}
    for _, row in trained.iterrows():
        alike.setdefault(tuple(row["signatures"]), []).append(row["label"])
    return [
        f"{' and '.join(labels)}: one and the same run{'s' * (len(names) > 1)}, {', '.join(names)}"
        for names, labels in alike.items()
        if len(labels) > 1
    ]


def beaten_by_controls(rows: pd.DataFrame, metric: Metric) -> list[str]:
    """Say so when no mean of a setting is better, as printed, than that of each control."""
    known = rows[rows[metric.name].notna()]
    control, trained = known[known["control"]], known[~known["control"]]
    if control.empty or trained.empty or metric.better == "neither":
        return []
    (first, ours), (label, theirs) = (
        max(zip(part["label"], part[metric.name], strict=True), key=lambda x: metric.quality(x[1]))
        for part in (trained, control)
    )
    shown = metric.text(ours), metric.text(theirs)
    if metric.quality(ours) > metric.quality(theirs) and shown[0] != shown[1]:
        return []
    return [
        f"No setting beats the controls: the best mean of {metric.head}, {shown[0]} ({first}), is "
        f"not better than {shown[1]} ({label}), as printed"
    ]


def without_videos(runs: pd.DataFrame) -> list[str]:
    """Name the runs whose figures lack videos that failed when they were measured."""
    lacking = runs[runs["shortfall"] != ""]
    return [f"{run['signature']}: figures {run['shortfall']}" for _, run in lacking.iterrows()]


def _percent(share: float) -> str:
    """Return a share in percent, which is 0 or 100 only when it is exactly so."""
    if share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"


def not_compared(rows: pd.DataFrame, compared: Compared, metric: Metric) -> list[str]:
    """Say why rows that have runs have no difference from the default."""
    trained = rows[rows["run"] & ~rows["control"]]
    if len(trained) < 2:
        return []
    if not trained["default"].any():
        named = rows.loc[rows["default"], "label"].tolist()
        why = (
            f"of the default ({named[0]}) no run is finished" if named else "no row is the default"
        )
        return [f"{why}: no differences"]
    default = trained.index[trained["default"]][0]
    rest = trained.drop(default)
    missing: dict[str, list[str]] = {}
    for _, row in rest[rest[f"{metric}/diff"].isna()].iterrows():
        missing.setdefault(compared.of[_key(row), metric.name].lacks, []).append(row["label"])
    return [f"no difference of {', '.join(labels)}: {why}" for why, labels in missing.items()]


def ranks(
    rows: pd.DataFrame,
    settings: dict[Any, pd.DataFrame],
    compared: Compared,
    metrics: list[Metric],
) -> list[str]:
    """Describe the rank agreement in the first metric of which the paper has a figure."""
    metric = next((name for name in metrics if f"paper/{name}" in rows), None)
    if metric is None:
        return []
    both = rows[rows[f"paper/{metric}"].notna() & rows[metric.name].notna() & ~rows["control"]]
    text = f"rank agreement with the paper in {metric.head} (Kendall): "
    if len(both) < FEWEST:
        return [f"{text}needs {FEWEST} rows with a figure of both, there are {len(both)}"]
    runs = [settings[_key(row)] for _, row in both.iterrows()]
    seeds = [_figures(part, metric) for part in runs]
    videos = [compared.videos(part.iloc[-1], metric) for part in runs]
    return [text + str(agree(seeds, list(both[f"paper/{metric}"]), videos))]


def _key(row: pd.Series) -> Hashable:
    return tuple(row["setting"].values())


def _figures(runs: pd.DataFrame, metric: Metric) -> np.ndarray:
    return runs[f"metric/{metric}"].dropna().to_numpy(dtype=float)
