"""What the launchers share.

Hydra's plugins for joblib, Ray and submitit carry a job to its worker. Ours differ in what happens
when a worker dies: the other jobs go on, and the job counts as failed like any other.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from typing_extensions import override

from siammae.system.errors import ConfigError, SiammaeError


class WorkerDied(SiammaeError):
    """A worker ended without a result: out of memory, killed, or its machine is gone."""


@dataclass(frozen=True)
class LeftToQueue:
    """Stands for the result of a run that was submitted, and for which nobody waits.

    job: its id in the queue.
    """

    job: str


class JobLauncher(Launcher):
    """Base of the launchers; keeps what Hydra hands over, for `launch`.

    elsewhere: whether jobs may run on another machine than the one that launches them.
    """

    elsewhere: ClassVar[bool] = False

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    @override
    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config


def has_plugin(package: str) -> bool:
    """Return whether the package of one of Hydra's launchers is installed."""
    return bool(find_spec("hydra_plugins") and find_spec(f"hydra_plugins.{package}"))


def require_plugin(package: str, launcher: str) -> None:
    """Raise a `ConfigError` when the package of a launcher is not installed."""
    if not has_plugin(package):
        raise ConfigError(
            f"hydra/launcher={launcher} needs {package.replace('_', '-')}: "
            "pip install 'siammae[cluster]'"
        )


def job_titles(job_overrides: Sequence[Sequence[str]], first: int) -> dict[int, str]:
    """Return a title of each job by its number: ``job N`` and the overrides that not all share."""
    jobs = [filter_overrides(one) for one in job_overrides]
    same = set(jobs[0]).intersection(*jobs) if len(jobs) > 1 else set()
    return {
        number: " ".join([f"job {number}", *(text for text in one if text not in same)])
        for number, one in enumerate(jobs, first)
    }


def failed_result(title: str, overrides: Sequence[str], reason: str) -> JobReturn:
    """Return a failure for a job whose worker died; print it now, as the others may take days."""
    error = WorkerDied(f"{title} ended without a result: {reason}")
    print(error, file=sys.stderr, flush=True)
    result = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    result.return_value = error
    return result
