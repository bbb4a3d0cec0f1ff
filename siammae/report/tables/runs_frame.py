"""Reads records of runs into one data frame with a row for each run, nothing averaged yet."""

import shlex
from pathlib import Path
from typing import Any

import pandas as pd

from siammae.evaluation.declared_metrics import declared_in
from siammae.evaluation.measuring.result import shortfall
from siammae.system.errors import DataError
from siammae.tracking.record import RunRecord, read_runs


def load(runs_dir: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return all runs of a folder, and the folders that are no runs with the reason.

    Columns: signature, state, error, created, seed, preset, config (resolved), composed (with
    references), data, benchmark, protocol, objective, benchmark_files, code_version (all, joined by
    +, when it was resumed on another), code_files (hashes by name, or None), device, precision
    (both of its start), commit, dirty (whether code was not committed), command, asked (its
    invocations), folder, per_object (rows of figures), shortfall (which videos failed and are not
    in the figures, or ""), declared (what the benchmark's metrics mean, by name), control_name
    (what the benchmark's control does), pairs_seen and short_gap_pairs (how many of these had a
    smaller gap than drawn, their clips being too short; both None while unfinished), a
    ``metric/<name>`` for each final figure and a ``control/<control>/<name>`` for each figure of a
    control.
    """
    records, skipped = read_runs(runs_dir)
    rows = []
    for record in records:
        try:
            rows.append(_row(record))
        except DataError as error:  # of a file that `read_runs` does not need
            skipped[record.signature] = str(error)
        except (KeyError, TypeError, AttributeError) as error:
            skipped[record.signature] = f"no record of a run: {error!r}"
    return pd.DataFrame(rows), skipped


def _row(record: RunRecord) -> dict[str, Any]:
    provenance, summary, state = record.provenance(), record.summary(), record.state()
    config, asked = record.config(), record.invocations()
    versions = _versions(provenance)
    benchmark = summary.get("benchmark") or {}
    name = benchmark.get("name") or provenance.get("benchmark")
    row = {
        "signature": record.signature,
        "state": state["state"] if summary or state["state"] != "finished" else "interrupted",
        "error": state.get("error"),
        "created": provenance.get("created", 0.0),
        "seed": config["seed"],
        "preset": provenance.get("preset") or (asked[-1].get("preset") if asked else None),
        "config": config,
        "composed": record.composed(),
        # Without that of the clips' classes, behind a dash: the clips are the same without them.
        "data": (provenance.get("data_fingerprint") or "").partition("-")[0] or None,
        "benchmark": name,
        "protocol": (benchmark.get("settings") or {}).get("preset"),
        "objective": (summary.get("objective") or {}).get("metric"),
        "benchmark_files": provenance.get("benchmark_fingerprint"),
        "code_version": "+".join(versions) or None,
        "code_files": provenance.get("code_files") if len(versions) == 1 else None,
        "device": provenance.get("device"),
        "precision": provenance.get("precision"),
        "commit": (provenance.get("git") or {}).get("commit"),
        "dirty": (provenance.get("git") or {}).get("dirty"),
        "command": shlex.join(asked[-1]["command"]) if asked else None,
        "asked": asked,
        "folder": str(record.folder),
        "per_object": benchmark.get("per_object") or [],
        "shortfall": shortfall(benchmark),
        "declared": declared_in(benchmark),
        "control_name": (summary.get("controls") or {}).get("copy_first_mask", {}).get("control"),
        "pairs_seen": summary.get("pairs_seen"),
        "short_gap_pairs": (summary.get("data") or {}).get("short_gap_pairs"),
    }
    for key, value in (summary.get("metrics") or {}).items():
        row[f"metric/{key.removeprefix(f'{name}/')}"] = value
    for control, result in (summary.get("controls") or {}).items():
        for key, value in result["metrics"].items():
            row[f"control/{control}/{key}"] = value
    return row


def _versions(provenance: dict[str, Any]) -> list[str]:
    """Return the distinct versions of the code that a run was trained with, in order."""
    versions = [part.get("code_version") for part in (provenance, *provenance.get("resumes", []))]
    return list(dict.fromkeys(version for version in versions if version))
