"""Studies over a job of milliseconds, through real processes and real storages."""

import os
import subprocess
import sys

import optuna
import pytest

from siammae.studies.storage import open_storage

CONFIG = """
defaults:
  - _self_
  - override hydra/job_logging: stdout
runs_dir: runs
x: 0.0
y: 1
work: 0.0
on_failure: continue
hydra:
  searchpath: ['file://CONFIGS']
  run: {dir: .}
  output_subdir: null
  sweep: {dir: multirun}
"""
JOB = """
import os, signal, sys, time
from pathlib import Path
import hydra
from siammae.config.errors import DataError
from siammae.config.launch import one_line, run
from siammae.studies.trial import RunningTrial, Pruned

@hydra.main(config_path=str(Path.cwd()), config_name="config")
@one_line
def job(config):
    with open("jobs.txt", "a") as file:
        file.write(f"{config.x} {config.y}\\n")
    time.sleep(config.work)
    BODY
    return -(config.x - 0.3) ** 2

sys.exit(run(job))
"""


class Studies:
    """A folder with a job and a study called ``test``."""

    def __init__(self, folder, url="sqlite:///test.db"):
        from siammae.config.paths import CONFIGS

        self.folder, self.url = folder, url
        (folder / "config.yaml").write_text(CONFIG.replace("CONFIGS", str(CONFIGS)))
        self.body("pass")

    def body(self, lines):
        """What the job does before it returns -(x - 0.3)²."""
        indented = lines.strip().replace("\n", "\n    ")
        (self.folder / "job.py").write_text(JOB.replace("BODY", indented))

    def command(self, *arguments):
        fixed = ["hydra/sweeper=optuna", "hydra.sweeper.study_name=test"]
        fixed += [f"hydra.sweeper.storage={self.url}", "x=interval(0.0,1.0)"]
        names = {argument.split("=")[0] for argument in arguments}
        fixed = [argument for argument in fixed if argument.split("=")[0] not in names]
        return [sys.executable, "job.py", "-m", *fixed, *arguments]

    def start(self, *arguments):
        """A worker that goes on by itself."""
        # SQLite's URL is relative to where the worker stands, as the user's is.
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments, code=0):
        worker = self.start(*arguments)
        out, err = worker.communicate(timeout=100)
        assert worker.returncode == code, out + err
        return out + err

    def load(self):
        scheme, _, name = self.url.partition(":///")
        storage = open_storage(f"{scheme}:///{self.folder}/{name}")
        return optuna.load_study(study_name="test", storage=storage)

    def states(self):
        return [trial.state.name for trial in self.load().trials]


@pytest.fixture
def studies(tmp_path):
    return Studies(tmp_path)
