"""What the launchers share.

Hydra's own launchers for joblib, Ray and submitit carry a job to its worker; ours differ in what
they do when a worker dies: they wait for the others and tell of it as of any other failure.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from siammae.system.errors import ConfigError, SiammaeError


class WorkerDied(SiammaeError):
    """A worker ended without a result: out of memory, killed, or its machine is gone."""


class OurLauncher(Launcher):
    """Keeps what Hydra hands over, for `launch`."""

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """See Hydra's `Launcher`."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config


def need(package: str, launcher: str) -> None:
    """Raise a `ConfigError` when the package of a launcher is not installed."""
    if find_spec("hydra_plugins") is None or find_spec(f"hydra_plugins.{package}") is None:
        raise ConfigError(
            f"hydra/launcher={launcher} needs {package.replace('_', '-')}: "
            "pip install 'siammae[cluster]'"
        )


def titles(job_overrides: Sequence[Sequence[str]], first: int) -> dict[int, str]:
    """Jobs for people, by number: with what is not the same in all of them."""
    jobs = [filter_overrides(one) for one in job_overrides]
    same = set(jobs[0]).intersection(*jobs) if len(jobs) > 1 else set()
    return {
        number: " ".join([f"job {number}", *(text for text in one if text not in same)])
        for number, one in enumerate(jobs, first)
    }


def died(title: str, overrides: Sequence[str], why: str) -> JobReturn:
    """The result of a job whose worker has none; told at once, since the others may take days."""
    error = WorkerDied(f"{title} ended without a result: {why}")
    print(error, file=sys.stderr, flush=True)
    result = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    result.return_value = error
    return result
