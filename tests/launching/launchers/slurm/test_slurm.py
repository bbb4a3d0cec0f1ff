"""hydra/launcher=slurm on a real Slurm, which start.sh starts; run by ``make test-slurm``."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
# Slurm of the tests has no GPUs and counts no memory.
SMALL = [
    "hydra.launcher.gpus_per_node=null",
    "hydra.launcher.mem_gb=null",
    "hydra.launcher.cpus_per_task=1",
]
# Each run in two processes, which torch elastic starts; without GPUs their number is given.
PAIR = ["hydra.launcher.tasks_per_node=2", "batch_size=8"]
LONG = ["schedule.steps=300", "mask_ratio=0.75", "checkpoint_every=1000"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find the cluster."""
    if os.environ.get("SIAMMAE_TEST_SLURM") != "1":
        pytest.skip("make test-slurm starts a Slurm for these tests")
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    subprocess.run([HERE / "start.sh", folder], check=True)
    yield {"SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([HERE / "stop.sh", folder], check=True)


@pytest.fixture(scope="module")
def undisturbed(multirun, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    done = multirun(folder, None, *LONG)
    assert done.returncode == 0, done.err
    return result(folder)


def result(folder):
    """Final weights and figures."""
    (checkpoint,) = (folder / "runs").glob("*/checkpoints/step-00000300.pt")
    (summary,) = (folder / "runs").glob("*/summary.json")
    weights = torch.load(checkpoint, weights_only=True)["model"]
    return weights, json.loads(summary.read_text())["metrics"]


def wait_for_training(folder, runs=1):
    """Until so many runs have done a step."""
    until = time.monotonic() + 120
    while True:
        states = [json.loads(path.read_text()) for path in (folder / "runs").glob("*/state.json")]
        if sum(state.get("step", 0) > 0 for state in states) == runs:
            return
        assert time.monotonic() < until
        time.sleep(0.1)


def logs(folder):
    return "".join(path.read_text() for path in (folder / "runs").rglob("*_log.out"))


def test_two_runs_and_one_that_fails_on_slurm(slurm, multirun, tmp_path):
    done = multirun(tmp_path, "slurm", *SMALL, multirun.RATES, **slurm)
    multirun.check_failure(done)
    runs = multirun.records(tmp_path)
    assert [one["state"] for one in runs] == ["finished", "finished", "failed"]
    multirun.check_invocations(runs)
    (multirun_folder,) = (tmp_path / "runs" / ".multirun").iterdir()
    assert len(list(multirun_folder.rglob("*_result.pkl"))) == 3


@pytest.mark.parametrize("how", ["signal before time-out", "preemption", "scontrol requeue"])
def test_a_requeued_job_ends_as_one_that_was_not(slurm, multirun, tmp_path, undisturbed, how):
    process = multirun.start(tmp_path, "slurm", *SMALL, *LONG, **slurm)
    command = {**os.environ, **slurm}
    try:
        wait_for_training(tmp_path)
        told = subprocess.run(
            ["squeue", "-h", "-t", "R", "-o", "%i"], env=command, capture_output=True
        )
        job = max(told.stdout.decode().split(), key=int)  # not one that is being completed
        if how == "scontrol requeue":
            subprocess.run(["scontrol", "requeue", job], env=command, check=True)
        else:
            signals = ["TERM", "USR2"] if how == "preemption" else ["USR2"]
            for name in signals:
                subprocess.run(["scancel", f"--signal={name}", job], env=command, check=True)
        _, err = process.communicate(timeout=250)
    finally:
        process.kill()
    assert process.returncode == 0, err + logs(tmp_path)
    assert "going on after step" in logs(tmp_path)
    weights, metrics = result(tmp_path)
    assert metrics == undisturbed[1]
    assert all(torch.equal(weights[key], undisturbed[0][key]) for key in undisturbed[0])


def test_slurm_s_own_time_limit_is_survived(slurm, multirun, tmp_path, undisturbed):
    """A minute, its least unit; the steps are made slow enough to need more."""
    done = multirun(
        tmp_path,
        "slurm",
        *SMALL,
        *LONG,
        "hydra.launcher.timeout_min=1",
        "hydra.launcher.signal_delay_s=5",
        **slurm,
        **disturbed(tmp_path, SLOW),
    )
    assert done.returncode == 0, done.err + logs(tmp_path)
    assert "this job is timed-out" in logs(tmp_path)
    assert "going on after step" in logs(tmp_path)
    weights, metrics = result(tmp_path)
    assert metrics == undisturbed[1]
    assert all(torch.equal(weights[key], undisturbed[0][key]) for key in undisturbed[0])


def world_sizes(folder):
    facts = (folder / "runs").glob("*/provenance.json")
    return [json.loads(path.read_text())["world_size"] for path in facts]


def disturbed(folder, script):
    """An environment in which processes begin with a script."""
    (folder / "sitecustomize.py").write_text(script)
    return {"PYTHONPATH": f"{folder}:{HERE.parents[3]}"}


def test_two_processes_train_each_run_together(slurm, multirun, tmp_path):
    done = multirun(tmp_path, "slurm", *SMALL, *PAIR, multirun.RATES, **slurm)
    multirun.check_failure(done)
    runs = multirun.records(tmp_path)
    assert [one["state"] for one in runs] == ["finished", "finished", "failed"]
    multirun.check_invocations(runs)
    assert world_sizes(tmp_path) == [2] * 3
    assert logs(tmp_path).count("train/loss") == 2  # the first process alone prints


@pytest.mark.timeout(900)  # two trainings, of which one starts twice
def test_a_requeued_job_of_two_processes_ends_as_one_that_was_not(slurm, multirun, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    assert multirun(whole, "slurm", *SMALL, *PAIR, *LONG, **slurm).returncode == 0
    process = multirun.start(cut, "slurm", *SMALL, *PAIR, *LONG, **slurm)
    command = {**os.environ, **slurm}
    try:
        wait_for_training(cut)
        told = subprocess.run(
            ["squeue", "-h", "-t", "R", "-o", "%i"], env=command, capture_output=True
        )
        job = max(told.stdout.decode().split(), key=int)
        subprocess.run(["scancel", "--signal=USR2", job], env=command, check=True)
        _, err = process.communicate(timeout=250)
    finally:
        process.kill()
    assert process.returncode == 0, err + logs(cut)
    assert logs(cut).count("going on after step") == 1
    weights, metrics = result(cut)
    expected = result(whole)
    assert metrics == expected[1]
    assert all(torch.equal(weights[key], expected[0][key]) for key in expected[0])


KILLED = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "siammae.training.session" or os.environ.get("RANK") != "1":
            return None
        sys.meta_path.remove(self)
        from siammae.training.loop import Trainer
        Trainer.train_step = lambda self, number, batches: os.kill(os.getpid(), signal.SIGKILL)
        return None
sys.meta_path.insert(0, Finder())
"""


def test_a_process_that_is_killed_is_told_of_in_one_line(slurm, multirun, tmp_path):
    env = disturbed(tmp_path, KILLED)
    done = multirun(tmp_path, "slurm", *SMALL, *PAIR, **slurm, **env)
    assert done.returncode == 1
    assert "process 2 of 2 ended without a result: killed by SIGKILL; its log: " in done.err
    assert "Traceback" not in done.err


def test_runs_that_are_left_to_slurm_are_seen_from_outside(slurm, multirun, tmp_path):
    axis = "mask_ratio=0.5,0.75"
    left = multirun(tmp_path, "slurm", *SMALL, *PAIR, "hydra.launcher.detach=true", axis, **slurm)
    assert left.returncode == 0, left.err
    command = {**os.environ, **slurm}
    (noted,) = (tmp_path / "runs/.multirun").glob("*/jobs.json")
    first, second = (job["id"] for job in json.loads(noted.read_text())["jobs"])

    def jobs():
        command_line = [sys.executable, "-m", "siammae.runs"]
        told = subprocess.run(
            command_line, cwd=tmp_path, env=command, capture_output=True, text=True, check=True
        )
        rows = [re.findall(r"[^ │]+", line) for line in told.stdout.splitlines()]
        return {row[0]: row[1] for row in rows if row and row[0] in (first, second)}

    assert set(jobs()) == {first, second}
    assert set(jobs().values()) <= {"queued", "running"}
    subprocess.run(["scancel", second], env=command, check=True)
    until = time.monotonic() + 200
    while (seen := jobs()) != {second: "ended"}:  # the first is a finished run by then
        assert time.monotonic() < until, seen
        time.sleep(1)
    first_run, *_ = multirun.records(tmp_path)
    assert first_run["state"] == "finished"


SLOW = """
import sys, time
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "siammae.training.session":
            return None
        sys.meta_path.remove(self)
        from siammae.training.loop import Trainer
        step = Trainer.train_step
        def slow(self, number, batches):
            time.sleep(0.12)
            return step(self, number, batches)
        Trainer.train_step = slow
        return None
sys.meta_path.insert(0, Finder())
"""


def test_a_job_that_slurm_ends_is_told_of_and_stops_no_other(slurm, multirun, tmp_path):
    process = multirun.start(
        tmp_path, "slurm", *SMALL, "mask_ratio=0.5,0.75", "schedule.steps=600", **slurm
    )
    command = {**os.environ, **slurm}
    try:
        wait_for_training(tmp_path, runs=2)
        told = subprocess.run(["squeue", "-h", "-r", "-o", "%i"], env=command, capture_output=True)
        job = next(name for name in told.stdout.decode().split() if name.endswith("_1"))
        subprocess.run(["scancel", job], env=command, check=True)
        _, err = process.communicate(timeout=250)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "job 1 mask_ratio=0.75 ended without a result" in err
    assert "CANCELLED" in err
    assert sorted(one["state"] for one in multirun.records(tmp_path))[0] == "finished"
