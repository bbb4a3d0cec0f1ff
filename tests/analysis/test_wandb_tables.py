"""Tables from W&B: real runs, the real client, and a loopback server that may fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_server import StoredRun, WandbServer

from siammae.config.errors import ConfigError, DataError
from siammae.tracking.record import Invocation, RunRecord, read_runs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "analysis"))  # as `python analysis/make_tables.py` has it

import make_tables  # noqa: E402
import wandb_runs  # noqa: E402
from snapshot import pull, read_snapshot, rows  # noqa: E402

TINY = (
    "encoder.width=32 encoder.depth=1 encoder.heads=2 decoder.width=32 decoder.depth=1 "
    "decoder.heads=2 image_size=40 batch_size=8 data.clips=3 data.frames=12 frame_gap=4 "
    "schedule.steps=6 schedule.warmup_steps=2 benchmark.source.sequences=1 "
    "benchmark.source.sequence_frames=4 +benchmark.source.clips=1 +benchmark.source.frames=4 "
    "checkpoint_every=3 log_every=2 "
    "pictures=1 device=cpu precision=fp32 tracking.project=tables progress=none"
).split()

# A process of its own, as a training is: the client keeps state.
SEND = """
import sys
from pathlib import Path
from siammae.tracking.record import read_runs
from siammae.tracking.wandb import WandbTracker
for record in read_runs(Path(sys.argv[1]))[0]:
    tracker = WandbTracker(project="made", mode=sys.argv[2])
    tracker.start(record, record.signature, "group", ["demo"])
    for row in record.metrics():
        tracker.row(row)
    tracker.close()
"""


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    env |= {"HOME": str(folder), "WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1"}
    env |= environment
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done


def files(folder: Path) -> dict[str, bytes]:
    """The tables of a folder; pictures tell when they were drawn."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in (".pdf",)
    }


def metrics(runs: Path) -> dict[str, list[dict]]:
    return {record.signature: record.metrics() for record in read_runs(runs)[0]}


@pytest.fixture
def server(monkeypatch, tmp_path):
    made = WandbServer()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "2")
    monkeypatch.setattr(wandb_runs, "WAITS", (0.05, 0.05))
    yield made
    made.close()


@pytest.mark.slow
def test_trained_runs_give_the_same_table_from_w_and_b_as_from_their_folders(server, tmp_path):
    roots = [f"{key}.root={tmp_path / 'sprites'}" for key in ("data", "benchmark.source")]
    axes = ["mask_ratio=0.5,0.75", *TINY, *roots]
    run(tmp_path, "-m", "siammae.train", "-m", *axes, **server.environment)
    stored = server.runs("tables")
    assert [each.state for each in stored.values()] == ["finished", "finished"]
    out = make_tables.make_tables(tmp_path / "runs", tmp_path / "local", ROOT / "experiments")
    assert any(path.name == "mask_ratio.csv" for path in out)

    script = str(ROOT / "analysis" / "make_tables.py")
    run(tmp_path, script, "--wandb", "ent/tables", "--out", "remote", **server.environment)
    assert files(tmp_path / "remote") == files(tmp_path / "local")
    snapshot = read_snapshot(tmp_path / "snapshots/ent/tables")
    pulled = tmp_path / "snapshots/ent/tables" / snapshot.folder
    assert metrics(pulled) == metrics(tmp_path / "runs")

    server.close()  # and once more without it
    run(tmp_path, script, "--wandb", "ent/tables", "--offline", "--out", "again")
    assert files(tmp_path / "again") == files(tmp_path / "local")

    one = next(iter(stored.values()))
    config = {key: part["value"] for key, part in one.config.items() if key != "_wandb"}
    assert config["ablation"] == "mask_ratio"
    assert config["factor_mask_ratio"] == 0.5
    assert config["variant"] == "mask_ratio=0.5"
    assert one.tags == ["demo", "mask_ratio", "sprites"]
    record = RunRecord(tmp_path / "runs" / one.id)
    assert config["git_commit"] == record.provenance()["git"]["commit"]
    assert one.summary["final/objective"] == record.summary()["objective"]["value"]
    assert len(one.summary["checkpoint/sha256"]) == 64
