"""A multirun that is killed again and again ends with the table of one that was not.

make test-kills does it twenty times; the ordinary suite a few.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from siammae.system.paths import ROOT

KILLS = int(os.environ.get("SIAMMAE_KILLS", "3"))
AXES = ["-m", "experiments=direction", "seed=0,1"]
STEPS = max(60, 30 * KILLS)
LENGTH = [f"schedule.steps={STEPS}", "checkpoint_every=5", "pictures=1", "schedule.evaluations=2"]
MEASURED = ["benchmark=sprites", "benchmark.source.sequences=1", "+benchmark.source.clips=1"]
MEASURED += ["benchmark.source.sequence_frames=4", "+benchmark.source.frames=4"]


def tables(folder):
    command = [sys.executable, str(ROOT / "analysis" / "make_tables.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    paths = [
        path for kind in ("md", "csv", "tex") for path in (folder / "tables").glob(f"*.{kind}")
    ]
    return {path.name: path.read_text() for path in paths}


@pytest.mark.slow
@pytest.mark.timeout(200 + 120 * KILLS)
def test_kills_at_random_moments_leave_the_table_as_it_would_have_been(train, tmp_path):
    overrides = [*AXES, *LENGTH, *MEASURED, f"benchmark.source.root={train.data}"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    done = train(whole, *overrides)
    assert done.returncode == 0, done.stderr
    rng = random.Random(KILLS)
    per_kill = rows(whole) // KILLS
    hits = 0
    for kill in range(KILLS):
        process = train.begin(killed, *overrides)
        # Every fourth while it starts, the others somewhere in its work.
        more = 0 if kill % 4 == 3 else rng.randint(1, max(1, per_kill))
        until, pause = rows(killed) + more, rng.uniform(0, 2)
        while process.poll() is None and rows(killed) < until:
            time.sleep(0.02)
        time.sleep(pause)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            hits += 1
        process.wait()
    print(f"{hits} of {KILLS} kills hit a multirun at work")
    assert hits > KILLS / 2
    done = train(killed, *overrides)
    assert done.returncode == 0, done.stderr
    expected = tables(whole)
    assert any(name.startswith("direction") for name in expected)
    assert tables(killed) == expected


def rows(folder):
    """Rows of metrics of all runs."""
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob("runs/*/metrics.jsonl"))
