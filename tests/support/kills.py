"""Killing a command at random moments until it is done, and what must then be the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from siammae.system.paths import ROOT

# Facts of the machine and the moment, not of the result.
OF_THE_MOMENT = ("data/wait_share", "time/", "seconds", "pairs_per_second", "memory")


def killed_again_and_again(
    begin: Callable[[], subprocess.Popen[bytes]],
    progress: Callable[[], int],
    whole: int,
    kills: int,
    rng: random.Random,
    pause: float = 2.0,
) -> int:
    """Kill a command's process group again and again; return how many kills hit it at work.

    begin: starts it in a group of its own; it goes on where it was. progress: how far it is, up to
    ``whole``. pause: seconds at most by which a kill comes after the progress that it waits for.
    """
    each, hits = max(1, whole // (kills + 1)), 0
    for kill in range(kills):
        process = begin()
        # Every fourth while it starts, the others somewhere in its work.
        until = progress() + (0 if kill % 4 == 3 else rng.randint(1, each))
        late = rng.uniform(0, pause)
        while process.poll() is None and progress() < until:
            time.sleep(0.01)
        time.sleep(late)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            hits += 1
        process.wait()
    return hits


def rows(folder: Path) -> int:
    """Rows of metrics of all runs."""
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob("runs/*/metrics.jsonl"))


def tables(folder: Path) -> dict[str, str]:
    """The tables of the runs of a folder, by file."""
    command = [sys.executable, str(ROOT / "analysis" / "make_tables.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    kinds = ("md", "csv", "tex")
    paths = [path for kind in kinds for path in (folder / "tables").glob(f"*.{kind}")]
    return {path.name: path.read_text() for path in paths}


def results(folder: Path) -> dict[str, object]:
    """Encoders, rows of metrics and figures of all runs of a folder; bytes and numbers as they are.

    Without what a clock or the machine's load says.
    """
    found: dict[str, object] = {}
    for run in sorted(path for path in (folder / "runs").iterdir() if path.name[0] != "."):
        lines = (run / "metrics.jsonl").read_text().splitlines()
        found[f"{run.name} rows"] = [_lasting(json.loads(line)) for line in lines]
        summary = json.loads((run / "summary.json").read_text())
        found[f"{run.name} figures"] = [_lasting(summary["metrics"]), summary["objective"]]
        found[f"{run.name} encoder"] = (run / "encoder.safetensors").read_bytes()
    return found


def _lasting(row: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in row.items() if not any(word in k for word in OF_THE_MOMENT)}
