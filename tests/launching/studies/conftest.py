"""Studies over a job of milliseconds: Hydra's own multirun and real storages, in this process.

What is killed or runs beside others is a fork of it.
"""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from siammae.launching.entry import writable_folder
from siammae.launching.hydra_plugins import register
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
        GlobalHydra.instance().clear()
        try:
            hydra = Hydra.create_main_hydra2("job", create_config_search_path(str(self.configs)))
            hydra.multirun(self.name, job, [*kept, *arguments])
        finally:
            GlobalHydra.instance().clear()

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
    register()
    OmegaConf.register_resolver("writable", writable_folder, replace=True)
    return Studies()
