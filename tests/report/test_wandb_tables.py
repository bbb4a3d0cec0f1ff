"""Tables from W&B: real runs, the real client, and a loopback server that may fail."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from preloaded import run_command
from wandb_server import StoredRun, WandbServer

from siammae.report import make_tables
from siammae.report.wandb import runs as wandb_runs
from siammae.report.wandb.snapshot import pull, read_snapshot, rows
from siammae.system.errors import ConfigError, DataError
from siammae.system.lock import exclusive
from siammae.tracking.record import Invocation, RunRecord, read_runs
from siammae.tracking.record_text import pack

ROOT = Path(__file__).resolve().parents[2]


TINY = [
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=2",
    "decoder.width=32",
    "decoder.depth=1",
    "decoder.heads=2",
    "image_size=40",
    "batch_size=8",
    "data.clips=3",
    "data.frames=12",
    "frame_gap=4",
    "schedule.steps=6",
    "schedule.warmup_steps=2",
    "benchmark.source.sequences=1",
    "benchmark.source.sequence_frames=4",
    "+benchmark.source.clips=1",
    "+benchmark.source.frames=4",
    "checkpoint_every=3",
    "log_every=2",
    "pictures=1",
    "device=cpu",
    "precision=fp32",
    "tracking.project=tables",
    "progress=none",
]

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
        tracker.log_row(row)
    tracker.close()
"""


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    env |= {"HOME": str(folder), "WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1"}
    env |= environment
    done = run_command([sys.executable, *command], cwd=folder, env=env, timeout=200)
    assert done.returncode == 0, done.stderr
    return done


def files(folder: Path) -> dict[str, bytes]:
    """The tables of a folder, without when they were made and where runs lie."""
    found = {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix != ".pdf"  # tells when it was drawn
    }
    for name in [name for name in found if name.endswith(".json")]:
        content = json.loads(found[name])
        content.pop("files", None)
        found[name] = json.dumps(content).encode()
    page = re.sub(rb"<time .*?</time>", b"", found.pop("index.html"))
    return {**found, "index.html": re.sub(rb'href="[^"#]*/([^"/]+/)"', rb'href="\1"', page)}


def metrics(runs: Path) -> dict[str, list[dict]]:
    return {record.signature: record.metrics() for record in read_runs(runs)[0]}


@pytest.fixture
def server(wandb_server, monkeypatch):
    monkeypatch.setattr(wandb_runs, "WAITS", (0.05, 0.05))
    return wandb_server


@pytest.mark.slow
def test_trained_runs_give_the_same_table_from_w_and_b_as_from_their_folders(server, tmp_path):
    roots = [f"{key}.root={tmp_path / 'sprites'}" for key in ("data", "benchmark.source")]
    axes = ["mask_ratio=0.5,0.75", *TINY, *roots]
    run(tmp_path, "-m", "siammae.train", "-m", *axes, **server.environment)
    stored = server.runs("tables")
    one = next(iter(stored.values()))
    before = dict(one.config)
    # A finished run that is asked for alone: it belongs to one more table, in W&B as well.
    run(tmp_path, "-m", "siammae.train", "mask_ratio=0.5", *axes[1:], **server.environment)
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

    assert one.config["ablation"]["value"] == "single-runs"
    config = {key: part["value"] for key, part in before.items() if key != "_wandb"}
    assert config["ablation"] == "mask_ratio"
    assert config["factor_mask_ratio"] == 0.5
    assert config["variant"] == "mask_ratio=0.5"
    assert set(one.tags) >= {"demo", "sprites"}
    record = RunRecord(tmp_path / "runs" / one.id)
    assert config["git_commit"] == record.provenance()["git"]["commit"]
    assert one.summary["final/objective"] == record.summary()["objective"]["value"]
    assert len(one.summary["checkpoint/sha256"]) == 64


def store(server: WandbServer, record: RunRecord, state: str = "finished", **told: object) -> None:
    """What the server has after a run, without a client that sends it."""
    config = {key: {"value": value} for key, value in {**pack(record, 1.0), **told}.items()}
    server.runs("made")[record.signature] = StoredRun(record.signature, config, state=state)


@pytest.fixture
def good(make_run, server, tmp_path):
    """A server with one good run, and a snapshot of it."""
    store(server, make_run("good", 0.5, {"mask_ratio": "0.9"}))
    make_tables.runs_of_wandb("ent/made", tmp_path / "snapshot", offline=False)
    return server


def everything(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if not path.name.startswith(".owner-")}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.close(), "cannot be reached .*try again later, or .*--offline"),
        (lambda s: setattr(s, "key", "other"), "does not accept this API key .*wandb login"),
        (lambda s: s.projects.clear(), "there is no W&B project ent/made"),
        (lambda s: s.runs("made").clear(), "ent/made on http.* has no run yet"),
        (lambda s: s.statuses.update(Runs=[429], Viewer=[200] * 3 + [429]), r"too many .*\(429\)"),
        (lambda s: s.statuses.update(Runs=[500]), "gave no runs of ent/made"),
        (lambda s: s.statuses.update(RunFullHistory=[404]), "there is no W&B project"),
        (lambda s: s.statuses.update(Runs=[403]), "may not read ent/made"),
        (lambda s: s.runs("made")["good"].config.clear(), "none of the 1 runs .*no record"),
        (
            lambda s: (
                s.runs("made")["good"].config["record"].update(value="siammae-record-1:1:AAAA")
            ),
            "none of the 1 runs .*its record is damaged",
        ),
    ],
)
def test_what_fails_is_told_and_leaves_snapshot_and_tables(good, tmp_path, damage, message):
    before = everything(tmp_path / "snapshot")
    for each in good.runs("made").values():  # so that its curves are asked for again
        record = RunRecord(tmp_path / "runs" / "good")
        each.config["record"]["value"] = pack(record, 2.0)["record"]
    damage(good)
    with pytest.raises(DataError, match=message):
        make_tables.runs_of_wandb("ent/made", tmp_path / "snapshot", offline=False)
    assert everything(tmp_path / "snapshot") == before
    runs = make_tables.runs_of_wandb("ent/made", tmp_path / "snapshot", offline=True)
    assert [record.signature for record in read_runs(runs)[0]] == ["good"]


def test_a_server_that_fails_twice_is_asked_a_third_time(good, tmp_path):
    good.statuses = {"Runs": [400, 502, 200]}  # 400 would be final
    with pytest.raises(DataError):
        pull("ent/made", tmp_path / "other")
    good.statuses, good.asked = {"Runs": [502, 502, 200]}, []
    assert set(pull("ent/made", tmp_path / "other").runs) == {"good"}
    assert good.asked.count("Runs") == 3


def test_half_finished_and_foreign_runs_are_told_and_left_out(make_run, good, tmp_path, capsys):
    overrides = {"mask_ratio": "0.9", "seed": "1"}
    store(good, make_run("going", None, overrides, state="running", seed=1), "running")
    store(good, make_run("crashed", None, overrides, state="running", seed=1), "crashed")
    good.runs("made")["foreign"] = StoredRun("foreign", {"lr": {"value": 1}})
    store(good, make_run("liar", 0.9, overrides, seed=1))
    good.runs("made")["thief"] = StoredRun("thief", good.runs("made").pop("liar").config)
    runs = make_tables.runs_of_wandb("ent/made", tmp_path / "snapshot", offline=False)
    make_tables.make_tables(runs, tmp_path / "tables", ROOT / "experiments")
    text = (tmp_path / "tables" / "mask_ratio.md").read_text()
    assert "1 run(s) running, not in the figures: going" in text
    assert "1 run(s) interrupted, not in the figures: crashed" in text
    told = capsys.readouterr().err
    assert "left out run foreign: it has no record" in told
    assert "left out run thief: its record is that of run liar" in told


def test_no_key_no_path_and_no_snapshot_are_told(good, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="write it as ENTITY/PROJECT"):
        pull("made", tmp_path / "other")
    with pytest.raises(DataError, match="holds no snapshot"):
        make_tables.runs_of_wandb("ent/made", tmp_path / "none", offline=True)
    with pytest.raises(DataError, match="is a snapshot of ent/made"):
        pull("ent/else", tmp_path / "snapshot")
    busy = pytest.raises(DataError, match="another process is pulling")
    with exclusive(tmp_path / "snapshot" / ".lock"), busy:
        pull("ent/made", tmp_path / "snapshot")
    monkeypatch.delenv("WANDB_API_KEY")
    good.asked.clear()
    with pytest.raises(ConfigError, match="no W&B API key; run `wandb login`"):
        pull("ent/made", tmp_path / "snapshot")
    assert good.asked == []


def test_rows_that_were_logged_again_replace_what_they_say_anew():
    def row(step: int, loss: float, at: float, **more: object) -> dict:
        return {"step": step, "train/loss": loss, "_timestamp": at, "_step": 0, **more}

    second = [row(4, 0.41, 20), row(6, 0.31, 21), {"step": 6, "sprites/J": 0.5, "_timestamp": 22}]
    first = [row(2, 0.5, 10), {"media/restored": {"_type": "image-file"}, "pairs_seen": 1}]
    first += [row(4, 0.4, 11), row(6, 0.3, 12)]
    expected = [
        {"step": 2, "train/loss": 0.5},
        {"step": 4, "train/loss": 0.41},
        {"step": 6, "train/loss": 0.31},
        {"step": 6, "sprites/J": 0.5},
    ]
    assert rows(second + first) == expected
    assert rows(first + second + second) == expected  # a part that was synced twice
    assert math.isnan(rows([row(2, "NaN", 1)])[0]["train/loss"])


@pytest.fixture
def sent(make_run, server, tmp_path):
    """Records of every state and of two tables, logged offline and synced in a senseless order."""
    for seed in (0, 1):
        for name, ratio in (("low", "0.9"), ("high", "0.95")):
            overrides = {"mask_ratio": ratio, "seed": str(seed)}
            record = make_run(f"{name}{seed}", 0.3 + 0.1 * seed, overrides, seed=seed)
            for step in (2, 4):
                record.log_metrics({"step": step, "pairs_seen": 8 * step, "train/loss": 1 / step})
    shared = Invocation("m9", ["x"], None, {"decoder": "joint"}, ["decoder"], "demo", 0)
    record.note_invocation(shared)
    overrides = {"mask_ratio": "0.9", "seed": "2"}
    make_run("broken", None, overrides, state="failed", seed=2)
    make_run("cut", None, {**overrides, "seed": "3"}, state="interrupted", seed=3)
    make_run("dropped", None, {**overrides, "seed": "4"}, state="pruned", seed=4)
    where = {"WANDB_BASE_URL": server.url}
    run(tmp_path, "-c", SEND, str(tmp_path / "runs"), "offline", **where)
    parts = sorted(tmp_path.glob("runs/*/wandb/offline-run-*"), reverse=True)
    run(tmp_path, "-m", "wandb", "sync", *map(str, parts), **server.environment)
    return server


def tables(runs: Path, out: Path) -> dict[str, bytes]:
    make_tables.make_tables(runs, out, ROOT / "experiments")
    return files(out)


@pytest.mark.slow
def test_offline_runs_that_are_synced_later_give_the_same_tables(sent, tmp_path):
    place = tmp_path / "snapshot"
    runs = make_tables.runs_of_wandb("ent/made", place, offline=False)
    local = tables(tmp_path / "runs", tmp_path / "local")
    assert {"mask_ratio.md", "decoder.csv", "mask_ratio.json"} <= set(local)
    assert b"1 run(s) failed, not in the figures: broken" in local["mask_ratio.md"]
    assert tables(runs, tmp_path / "remote") == local
    assert metrics(runs) == metrics(tmp_path / "runs")
    assert sent.runs("made")["cut"].state == "failed"  # for W&B what is not done is not finished

    # A second pull asks for no curve of a finished run again, and leaves one folder.
    sent.asked.clear()
    again = make_tables.runs_of_wandb("ent/made", place, offline=False)
    assert sent.asked.count("RunFullHistory") == 3
    assert sent.asked.count("Runs") == 1
    assert metrics(again) == metrics(tmp_path / "runs")
    assert list(place.glob("runs-*")) == [again]

    # A finished run that is asked for by another table is sent again, and then no more.
    call = Invocation("m10", ["y"], None, {"masking": "same"}, ["masking"], "demo", 0)
    RunRecord(tmp_path / "runs" / "low0").note_invocation(call)
    script = SEND.replace("tracker.start", "tracker.send_again").split("    for row")[0]
    starts = []
    for _ in range(2):
        starts.append({name: each.starts for name, each in sent.runs("made").items()})
        run(tmp_path, "-c", script, str(tmp_path / "runs"), "online", **sent.environment)
    starts.append({name: each.starts for name, each in sent.runs("made").items()})
    assert starts[0] != starts[1] == starts[2]
    assert {name for name in starts[0] if starts[0][name] != starts[1][name]} == {"low0"}
    assert sent.runs("made")["low0"].state == "finished"
    runs = make_tables.runs_of_wandb("ent/made", place, offline=False)
    local = tables(tmp_path / "runs", tmp_path / "local")
    assert "masking.md" in local
    assert tables(runs, tmp_path / "remote") == local
    assert metrics(runs) == metrics(tmp_path / "runs")
