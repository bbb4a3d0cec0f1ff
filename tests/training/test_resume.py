"""A run that is killed and started again ends with the very weights of one that was not."""

import json
import signal
import time

import pytest
from tiny_runs import same_weights

from .conftest import KILLED_IN_A_STEP, START, held

# Each puts SIGKILL into a real run of the entry point at a moment that is hard to hit from outside.
KILLED = {
    "in a step": KILLED_IN_A_STEP,
    "inside a checkpoint write": """
import torch
save = torch.save
def killed(state, file):
    save(state, file)
    if state["progress"]["step"] == 6:
        file.flush()
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = killed
""",
    "between training and summary": """
from siammae.tracking.record import RunRecord
def killed(self, summary):
    os.kill(os.getpid(), signal.SIGKILL)
RunRecord.write_summary = killed
""",
}


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = train(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_its_record(undisturbed, only_run):
    run = only_run(undisturbed)
    assert json.loads((run / "state.json").read_text())["state"] == "finished"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 12
    assert summary["pairs_seen"] == 96
    assert summary["objective"]["value"] == -summary["metrics"]["train/loss"]
    assert summary["data"]["clips"] == 3
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 8, 9, 10, 12]
    assert all(row["epoch"] == row["pairs_seen"] / 3 for row in rows)
    pictures = sorted(path.stem for path in (run / "pictures").iterdir())
    assert pictures == ["arrows", "attention", "pca", "restored-00000012"]
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["device"] == "cpu"
    assert provenance["packages"]["torch"]
    kept = sorted(path.name for path in (run / "checkpoints").glob("step-*.pt"))
    assert kept == ["step-00000009.pt", "step-00000012.pt"]


@pytest.mark.parametrize("moment", KILLED)
def test_killed_and_started_again(train, tmp_path, undisturbed, only_run, moment):
    killed = train(tmp_path, script=START.format(patch=KILLED[moment]))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = only_run(tmp_path)
    assert not (run / "summary.json").exists()
    again = train(tmp_path)
    assert again.returncode == 0, again.stderr
    expected = only_run(undisturbed)
    assert run.name == expected.name
    assert same_weights(run, expected)
    mine, theirs = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (run, expected)
    )
    assert [row["train/loss"] for row in mine] == [row["train/loss"] for row in theirs]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(train, tmp_path, undisturbed, only_run):
    train(tmp_path, script=START.format(patch=KILLED["in a step"]))
    run = only_run(tmp_path)
    newest = sorted((run / "checkpoints").glob("step-*.pt"))[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    again = train(tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{newest.name} is damaged" in again.stdout
    assert "going back to the checkpoint before it" in again.stdout
    assert "going on after step 3 of 12" in again.stdout
    assert same_weights(run, only_run(undisturbed))


def test_workers_and_cadences_change_nothing(train, tmp_path, undisturbed, only_run):
    """Neither the result nor the signature."""
    done = train(tmp_path, "data.workers=2", "log_every=5", "checkpoint_every=100", "pictures=0")
    assert done.returncode == 0, done.stderr
    run, expected = only_run(tmp_path), only_run(undisturbed)
    assert run.name == expected.name
    assert same_weights(run, expected)
    results = [json.loads((folder / "summary.json").read_text()) for folder in (run, expected)]
    assert results[0]["metrics"] == results[1]["metrics"]
    rows = [json.loads(line) for line in (expected / "metrics.jsonl").read_text().splitlines()]
    steps = [0, *(row["step"] for row in rows)]
    total = sum(
        row["train/loss"] * (row["step"] - last) for row, last in zip(rows, steps[:-1], strict=True)
    )
    assert results[0]["metrics"]["train/loss"] == pytest.approx(total / 12)


def test_sigterm_saves_and_ends_cleanly(train, tmp_path, undisturbed, only_run):
    patch = """
from siammae.training.loop import Trainer
step = Trainer.train_step
def stopped(self, number, batches):
    if number == 5:
        os.kill(os.getpid(), signal.SIGTERM)
    return step(self, number, batches)
Trainer.train_step = stopped
"""
    stopped = train(tmp_path, script=START.format(patch=patch))
    assert stopped.returncode == 128 + signal.SIGTERM, stopped.stderr
    run = only_run(tmp_path)
    assert json.loads((run / "state.json").read_text())["state"] == "interrupted"
    assert (run / "checkpoints" / "step-00000005.pt").is_file()
    again = train(tmp_path)
    assert "going on after step 5 of 12" in again.stdout
    assert same_weights(run, only_run(undisturbed))


def test_a_finished_run_is_recognised_without_torch(train, undisturbed, only_run):
    before = (only_run(undisturbed) / "encoder.safetensors").stat().st_mtime_ns
    script = START.format(patch="").replace(
        "sys.exit(main())", "code = main(); print('torch' in sys.modules); sys.exit(code)"
    )
    again = train(undisturbed, script=script, fresh=True)
    assert again.returncode == 0, again.stderr
    assert "finished before" in again.stdout
    assert again.stdout.strip().endswith("False")
    assert (only_run(undisturbed) / "encoder.safetensors").stat().st_mtime_ns == before
    lines = (only_run(undisturbed) / "invocations.jsonl").read_text().splitlines()
    assert len(lines) == 2


def test_rerun_trains_again(train, tmp_path, only_run):
    train(tmp_path, "schedule.steps=4")
    first = only_run(tmp_path) / "summary.json"
    before = first.stat().st_mtime_ns
    again = train(tmp_path, "schedule.steps=4", "rerun=true")
    assert again.returncode == 0, again.stderr
    assert first.stat().st_mtime_ns > before
    assert len((only_run(tmp_path) / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_loss_that_is_no_number_ends_the_run(train, tmp_path, only_run):
    patch = """
import torch
from siammae.model.heads import PixelMean
cost, calls = PixelMean.cost, []
def broken(self, prediction, target):
    calls.append(1)
    value = cost(self, prediction, target)
    return value * float("nan") if len(calls) > 5 + 1 else value
PixelMean.cost = broken
"""
    failed = train(tmp_path, "pictures=0", script=START.format(patch=patch))
    assert failed.returncode == 2
    assert "the loss is nan at step 7" in failed.stderr
    assert "step-00000006.pt" in failed.stderr
    state = json.loads((only_run(tmp_path) / "state.json").read_text())
    assert state["state"] == "failed"
    assert "the loss is nan at step 7" in state["error"]


def test_a_run_is_trained_by_one_process_at_a_time(train, tmp_path, only_run):
    train(tmp_path, script=START.format(patch=KILLED["in a step"]))
    run = only_run(tmp_path)
    with held(run):
        second = train(tmp_path)
        assert second.returncode == 2
        assert "is being trained by another process" in second.stderr
        both = train(tmp_path, "-m", "seed=0,1")
        assert both.returncode == 0, both.stderr
        assert both.stderr.startswith("left alone: ")
        assert "1 of 2 runs left to the processes that train them" in both.stdout
        assert "finished before" in train(tmp_path, "seed=1").stdout
    time.sleep(0.1)
    assert train(tmp_path).returncode == 0  # the dead owner holds nothing
