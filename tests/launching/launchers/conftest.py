"""Multiruns through the launchers, with the smallest runs of the training tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from siammae.system.paths import ROOT

TINY = [
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=2",
    "decoder.width=32",
    "decoder.depth=1",
    "decoder.heads=2",
    "decoder.dropout=0.1",
    "image_size=32",
    "batch_size=8",
    "data.clips=3",
    "data.frames=12",
    "frame_gap=4",
    "mask_ratio=0.75",
    "schedule.steps=6",
    "schedule.warmup_steps=2",
    "benchmark=none",
    "tracking=none",
    "checkpoint_every=100",
    "log_every=2",
    "pictures=0",
    "device=cpu",
    "precision=fp32",
]


class Multirun:
    """Starts ``python -m siammae.train -m hydra/launcher=NAME`` in a folder, on shared clips."""

    RATES = "optim.base_lr=0.001,0.01,1e38"  # the last ends in no number

    def __init__(self, data: Path):
        self.data = data

    def start(self, folder: Path, launcher: str | None, *overrides: str, **env: str):
        given = {override.partition("=")[0] for override in overrides}
        tiny = [line for line in TINY if line.partition("=")[0] not in given]
        multirun = [] if launcher is None else ["-m", f"hydra/launcher={launcher}"]
        command = [sys.executable, "-m", "siammae.train", *multirun, *tiny]
        return subprocess.Popen(
            [*command, f"data.root={self.data}", *overrides],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, folder: Path, launcher: str | None, *overrides: str, **env: str):
        process = self.start(folder, launcher, *overrides, **env)
        try:
            process.out, process.err = process.communicate(timeout=280)
        finally:
            process.kill()
        return process

    @staticmethod
    def records(folder: Path) -> list[dict]:
        """State, summary and invocations of each run, by job."""
        found = []
        for run in sorted(path.parent for path in (folder / "runs").glob("*/state.json")):
            asked = [
                json.loads(line) for line in (run / "invocations.jsonl").read_text().splitlines()
            ]
            summary = run / "summary.json"
            found.append(
                {
                    "folder": run,
                    "state": json.loads((run / "state.json").read_text())["state"],
                    "summary": json.loads(summary.read_text()) if summary.is_file() else {},
                    "asked": asked,
                }
            )
        return sorted(found, key=lambda one: one["asked"][0]["job"])

    @staticmethod
    def check_failure(done: subprocess.Popen) -> None:
        """The third of `RATES` is told of, and the multirun ends as one with a failure."""
        assert done.returncode == 1, done.err
        assert "not finite" in done.err or "the loss is" in done.err
        assert "Traceback" not in done.err

    @staticmethod
    def check_invocations(runs: list[dict]) -> None:
        """Workers know the command, its axes and their place in it."""
        assert len({one["asked"][0]["id"] for one in runs}) == 1
        assert [one["asked"][0]["job"] for one in runs] == list(range(len(runs)))
        for one in runs:
            assert one["asked"][0]["command"][:3] == ["-m", "siammae.train", "-m"]
            assert one["asked"][0]["axes"] == ["optim.base_lr"]


@pytest.fixture(scope="session")
def multirun(tmp_path_factory) -> Multirun:
    return Multirun(tmp_path_factory.mktemp("sprites"))
