"""Damaged and foreign records: one error, and the others go on."""

import json
import random
import shutil
import sys

import pytest
import yaml
from preloaded import run_command

from siammae.report.tables.runs_frame import load
from siammae.system.errors import DataError
from siammae.tracking.record import Invocation, RunRecord, read_runs
from siammae.tracking.record_files import KINDS

METRIC = {"name": "J&F-Mean", "better": "more", "unit": "share"}
DECLARED = [  # of metrics
    {"J&F-Mean": METRIC}, [7], [{}], [{**METRIC, "better": {"": 1}}], [{**METRIC, "name": "-J"}],
    [{**METRIC, "decimals": -1}], [{**METRIC, "decimals": 10**30}], [{**METRIC, "other": 1}],
    [{**METRIC, "over_videos": {"columns": "J"}}],
]  # fmt: skip
FILES = [name for name in KINDS if not name.endswith("jsonl")]


def make(folder, seed=0):
    record = RunRecord(folder)
    config = {"mask_ratio": 0.9, "seed": seed, "decoder": {"width": 128}}
    record.create(config, config)
    record.write_provenance({"created": 1.0, "git": {}, "code_version": "v1"}, "")
    record.note_invocation(Invocation(None, ["-m", "x"], None, {"seed": str(seed)}, [], "demo", 0))
    record.log_metrics({"step": 1, "train/loss": 0.5})
    objective = {"benchmark": "sprites", "metric": "J&F-Mean", "value": 0.4}
    record.write_summary({"objective": objective, "metrics": {"sprites/J&F-Mean": 0.4}})
    record.set_state("finished", step=5, steps=5)
    return record


@pytest.fixture
def runs(tmp_path):
    for seed in range(2):
        make(tmp_path / "runs" / f"whole{seed}", seed)
    return tmp_path / "runs"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"", b"[1, 2]", b"7", b"{", b"[" * 5000, b"a: b\nc"]
)
def test_a_damaged_file_costs_its_run_alone(runs, name, content):
    record = make(runs / "bad")
    (record.folder / name).write_bytes(content)
    frame, skipped = load(runs)
    assert list(frame["signature"]) == ["whole0", "whole1"]
    assert list(skipped) == ["bad"]
    assert name in skipped["bad"]
    assert "\n" not in skipped["bad"]
    # Only tables need the settings as they were composed.
    assert list(read_runs(runs)[1]) == ["bad"] * (name != "composed.yaml")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        *[("state.json", "state", value) for value in ("odd", None, ["finished"], 3)],
        *[("state.json", key, "7") for key in ("step", "steps", "heartbeat", "owner")],
        *[("summary.json", "metrics", value) for value in ([1], {"a": "b"}, 7, {"-a": 0.5})],
        *[("summary.json", "objective", value) for value in ([1], {"value": "0.4"}, "x")],
        *[("summary.json", "benchmark", {"declared": value}) for value in DECLARED],
        ("summary.json", "benchmark", {"metrics": {"-rf": 0.5}}),
        *[("summary.json", key, "x") for key in ("seconds", "pairs_per_second", "best")],
        *[("summary.json", "controls", value) for value in ([1], {"a": 7})],
        *[("provenance.json", "git", value) for value in (7, ["a"])],
        *[("provenance.json", key, 7) for key in ("code_version", "code_files", "resumes")],
        *[("config.yaml", "seed", value) for value in ("zero", None, [1])],
    ],
)
def test_a_value_of_another_kind_costs_its_run_alone(runs, name, key, value):
    path = make(runs / "bad").folder / name
    content = yaml.safe_load(path.read_text())
    content[key] = value
    path.write_text(json.dumps(content))
    records, skipped = read_runs(runs)
    assert len(records) == 2
    assert f"{name}: {key}" in skipped["bad"]


def test_damaged_lines_are_left_out(runs):
    record = make(runs / "bad")
    for name in ("metrics.jsonl", "invocations.jsonl"):
        path = record.folder / name
        lines = [b'{"step": "one"}', b"\xff\xfe", b'{"command": 7}', b'{"step": 2, "x": [1]}', b"["]
        path.write_bytes(path.read_bytes() + b"\n".join(lines) + b"\n")
    assert record.metrics() == [{"step": 1, "train/loss": 0.5}]
    asked = [row["command"] for row in record.invocations() if "command" in row]
    assert asked == [["-m", "x"]]


def test_aliases_that_multiply_end_at_once(runs):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{letter}: &{letter} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
    )
    record = make(runs / "bad")
    (record.folder / "config.yaml").write_text(bomb)
    with pytest.raises(DataError, match="aliases repeat too much"):
        record.config()
    (record.folder / "config.yaml").write_text("a: &a [*a]\n")
    with pytest.raises(DataError, match="refers to itself"):
        record.config()
    (record.folder / "config.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert record.config() == {"a": [1, 2], "b": [1, 2]}


def test_any_byte_may_be_another(runs):
    """Whatever is damaged: a record, or a reason; and the list goes on."""
    rng = random.Random(0)
    for _ in range(300):
        shutil.rmtree(runs / "bad", ignore_errors=True)
        record = make(runs / "bad")
        path = record.folder / rng.choice(list(KINDS))
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        frame, skipped = load(runs)
        assert len(frame) + len(skipped) == 3
        assert {"whole0", "whole1"} <= set(frame["signature"])


def test_the_list_names_what_it_leaves_out(runs):
    (make(runs / "bad").folder / "config.yaml").write_bytes(b"\xff")
    done = run_command([sys.executable, "-m", "siammae.runs", "--runs", str(runs)])
    assert done.returncode == 0, done.stderr
    assert "whole0" in done.stdout
    assert "note: bad is left out: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["state.json", "provenance.json", "summary.json"])
def test_a_run_with_a_damaged_file_is_taken_up(runs, name):
    """It is not finished, and what training writes replaces the damage."""
    record = make(runs / "bad")
    (record.folder / name).write_bytes(b"\xff")
    assert record.is_finished() == (name == "provenance.json")
    with record.undo_refused_start():
        record.set_state("running", step=3, steps=5)
        record.write_provenance({"created": 2.0, "code_version": "v1"}, "", 3)
        record.write_summary({"metrics": {}})
    assert record.provenance()["code_version"] == "v1"
    assert record.state()["state"] == "interrupted"


@pytest.mark.parametrize("summary", [{}, {"figures": [1]}, {"objective": None}, {"objective": {}}])
def test_a_summary_without_an_objective_is_none(runs, summary):
    """Such a run is trained to its end again, where what was known of it could not be shown."""
    record = make(runs / "bad")
    assert record.is_finished()
    (record.folder / "summary.json").write_text(json.dumps(summary))
    assert not record.is_finished()
