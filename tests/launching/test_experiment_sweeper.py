"""Multiruns: which runs an experiment means, and what becomes of failures."""

import os
import sys

import pytest
from preloaded import run_command

from siammae.system.paths import CONFIGS

ABSENT = "cuda" if sys.platform == "darwin" else "mps"
JOB = """
import sys, hydra
from omegaconf import OmegaConf
from siammae.system.errors import DataError
from siammae.launching.entry import report_user_errors, run

@hydra.main(config_path={configs!r}, config_name="train")
@report_user_errors
def job(config):
    print("ran", config.mask_ratio, config.seed, config.frame_gap, flush=True)
    if config.mask_ratio == 0.5:
        raise DataError("no clips at half")
    if config.mask_ratio == 0.6:
        raise ValueError("not ours")
    return 1.0

sys.exit(run(job))
"""


@pytest.fixture
def multirun(tmp_path):
    (tmp_path / "job.py").write_text(JOB.format(configs=str(CONFIGS)))

    def start(*overrides):
        command = [sys.executable, "job.py", "-m", *overrides]
        return run_command(command, cwd=tmp_path, env=os.environ, timeout=100)

    return start


def ran(done):
    return [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ran ")]


def test_failures_do_not_stop_the_others_and_all_are_listed_at_the_end(multirun):
    done = multirun("mask_ratio=0.5,0.6,0.75,0.9")
    assert done.returncode == 1
    assert [run[0] for run in ran(done)] == ["0.5", "0.6", "0.75", "0.9"]
    at_once, listed = done.stderr.split("error: 2 of 4 runs failed:\n")
    assert "failed: mask_ratio=0.5: no clips at half" in at_once
    assert "Traceback" in at_once  # of the error that is no user's
    assert "  mask_ratio=0.5: no clips at half\n" in listed
    assert "  mask_ratio=0.6: ValueError: not ours\n" in listed
    assert "Error executing job" not in done.stderr


def test_a_failure_stops_the_others_when_asked_to(multirun):
    done = multirun("mask_ratio=0.75,0.5,0.9", "on_failure=stop")
    assert done.returncode == 1
    assert [run[0] for run in ran(done)] == ["0.75", "0.5"]
    assert "1 not started (on_failure=stop)" in done.stderr


def test_an_experiment_without_m_gets_a_hint(multirun, tmp_path):
    command = [sys.executable, "job.py", "experiments=decoder"]
    done = run_command(command, cwd=tmp_path, timeout=100)
    assert done.returncode == 2
    assert done.stderr == "error: experiments=NAME and sweeps=NAME are multiruns: add -m\n"


def test_an_experiment_runs_its_settings_seed_by_seed(multirun):
    done = multirun("experiments=mask_ratio", "seed=0,1", "frame_gap=4", "mask_ratio=0.75,0.9")
    assert done.returncode == 0, done.stderr
    seeds = ["0", "0", "1", "1"]
    ratios = ["0.75", "0.9"] * 2
    assert ran(done) == [[r, s, "4"] for r, s in zip(ratios, seeds, strict=True)]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiments=decoder,direction"], "name one of them a command"),
        (["experiments=masking", "masking=grid"], "masking is what experiment masking compares"),
        (["mask_ratio=interval(0.5,0.9)"], "is a range to draw from"),
        (["mask_ratio=0.75,2.0"], "mask_ratio=2.0: should be less than 1"),
        (
            ["+decoder.widht=3", "seed=0,1"],
            "decoder.widht: no such key (did you mean 'decoder.width'?)",
        ),
        (["seed=0,1", "+masking.cel=2"], "masking.cel: no such key"),
        (["seed=0,1", "tracking.mode=onlin"], "mode 'onlin' is none of auto, online, offline"),
        (["seed=0,1", "uncertainty=ensemble", "uncertainty.members=0"], "members=0: an ensemble"),
        (["seed=0,1", "masking=motion", "rotation=any", "rotation.applies_to=future"], "apart"),
        (["seed=0,1", f"device={ABSENT}"], f"device={ABSENT} is not on this machine"),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_starts(multirun, overrides, words):
    done = multirun(*overrides)
    assert done.returncode == 2
    assert words in done.stderr
    assert ran(done) == []
