"""Studies over a job of milliseconds: Hydra's own multirun and real storages, in this process.

What is killed or runs beside others is a fork of it.
"""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from omegaconf import DictConfig

from siammae.launching import hydra_adapter
from siammae.launching.registration import register_with_hydra
from siammae.launching.studies.storage import open_storage
from siammae.system.paths import CONFIGS

CONFIG = f"""
runs_dir: runs
x: 0.0
y: 1
on_failure: continue
hydra:
  searchpath: ['file://{CONFIGS}']
  output_subdir: null
  sweep: {{dir: multirun}}
"""


def quality(config: DictConfig) -> float:
    return -((config.x - 0.3) ** 2)


class Studies:
    """A study called ``test`` in the working folder; ``url`` is where it is kept."""

    def __init__(self) -> None:
        self.url = "sqlite:///test.db"
        self.configs, self.name = Path.cwd(), "config"

    def __call__(self, *arguments: str, job: Callable[[DictConfig], object] = quality) -> None:
        """``-m`` with these overrides."""
        fixed = ["hydra/sweeper=optuna", "hydra.sweeper.study_name=test"]
        fixed += [f"hydra.sweeper.storage={self.url}"]
        fixed += ["x=interval(0.0,1.0)"] if self.name == "config" else []
        names = {argument.split("=")[0] for argument in arguments}
        kept = [argument for argument in fixed if argument.split("=")[0] not in names]
        hydra_adapter.multirun(str(self.configs), self.name, [*kept, *arguments], job)

    def fork(self, *arguments: str, job: Callable[[DictConfig], object] = quality):
        """The same in a process of its own."""
        context = multiprocessing.get_context("fork")
        process = context.Process(target=self, args=arguments, kwargs={"job": job})
        process.start()
        return process

    def load(self) -> optuna.Study:
        return optuna.load_study(study_name="test", storage=open_storage(self.url))

    def states(self) -> list[str]:
        return [trial.state.name for trial in self.load().trials]


@pytest.fixture
def studies(tmp_path, monkeypatch) -> Studies:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    register_with_hydra()
    return Studies()
