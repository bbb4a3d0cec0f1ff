"""hydra/launcher=joblib, in real processes."""

import json
import os
import signal
import time

import pytest

from siammae.launching.launchers.local import _visible_gpus, _worker_environments
from siammae.system.errors import ConfigError
from siammae.system.signals import SIGNALS


def test_two_runs_and_one_that_fails_in_two_processes(multirun, tmp_path):
    done = multirun(tmp_path, "joblib", "hydra.launcher.n_jobs=2", multirun.RATES)
    multirun.check_failure(done)
    runs = multirun.records(tmp_path)
    assert [one["state"] for one in runs] == ["finished", "finished", "failed"]
    multirun.check_invocations(runs)
    assert len({one["summary"]["objective"]["value"] for one in runs[:2]}) == 2
    told = done.out.splitlines()
    assert any(line.startswith("[0] run ") for line in told)
    assert any(line.startswith("[1] ") and "(less is better)" in line for line in told)


def child_processes(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return [int(child) for child in file.read().split()]


def workers_of(process):
    """The processes of the pool that carry runs."""
    found = []
    for child in child_processes(process.pid):
        with open(f"/proc/{child}/cmdline") as file:  # noqa: PTH123
            if "popen_loky_posix" in file.read():
                found.append(child)
    return found


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def trains(folder):
    """Whether two runs are in training."""
    states = (folder / "runs").glob("*/state.json")
    return sum(json.loads(path.read_text()).get("step", 0) > 0 for path in states) == 2


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks into /proc")  # noqa: PTH112
@pytest.mark.parametrize("victim", ["the multirun, politely", "the multirun, at once", "a worker"])
def test_who_is_killed_and_what_becomes_of_the_runs(multirun, tmp_path, victim):
    long = ["schedule.steps=100000", "mask_ratio=0.5,0.75", "hydra.launcher.n_jobs=2"]
    if victim == "a worker":
        long[0] = "schedule.steps=400"
    process = multirun.start(tmp_path, "joblib", *long)
    try:
        wait_for(lambda: trains(tmp_path))
        workers = workers_of(process)
        assert len(workers) == 2
        if victim == "a worker":
            os.kill(workers[0], signal.SIGKILL)
        else:
            process.send_signal(signal.SIGTERM if "politely" in victim else signal.SIGKILL)
        _, err = process.communicate(timeout=200)
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))  # noqa: PTH110
    finally:
        process.kill()
    states = sorted(one["state"] for one in multirun.records(tmp_path))
    if victim == "a worker":
        assert states == ["finished", "running"]  # the latter as it was left; none has its lock
        assert "ended without a result" in err
        return
    assert states == ["interrupted", "interrupted"]
    for one in multirun.records(tmp_path):
        assert list((one["folder"] / "checkpoints").glob("step-*.pt"))


def test_gpus_and_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert _worker_environments(None, 10, ["2", "5"]) == [
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "2"},
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "5"},
    ]
    shared = [place["CUDA_VISIBLE_DEVICES"] for place in _worker_environments(4, 10, ["2", "5"])]
    assert shared == ["2", "5", "2", "5"]
    assert _worker_environments(None, 10, []) == [{"OMP_NUM_THREADS": "1"}] * 8
    assert _worker_environments(None, 3, []) == [{"OMP_NUM_THREADS": "2"}] * 3
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert _worker_environments(2, 3, []) == [{"OMP_NUM_THREADS": "7"}] * 2


def test_the_visible_gpus_are_those_the_user_names(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1a, 3")
    assert _visible_gpus("auto") == ["GPU-1a", "3"]
    assert _visible_gpus("cpu") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert _visible_gpus("auto") == []
    with pytest.raises(ConfigError, match="device=cuda:1"):
        _visible_gpus("cuda:1")


def test_signals_are_those_that_slurm_and_submitit_send():
    assert {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2} == set(SIGNALS)
