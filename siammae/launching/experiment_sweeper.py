"""The sweeper of multiruns: expands experiments, goes on after failures, lists all of them."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from typing_extensions import override

from siammae.config.composition import Composition
from siammae.launching.hydra_adapter import BasicSweeper, outcome, sweeper_params
from siammae.launching.job_check import check_jobs
from siammae.launching.launchers.base import LeftToQueue
from siammae.planning.jobs import jobs_of
from siammae.system.atomic_files import write_atomic
from siammae.system.command import without_password
from siammae.system.errors import RunsFailed, SiammaeError, TrainedElsewhere


class ExperimentSweeper(BasicSweeper):
    """Runs every setting of the command line, or of ``experiments=NAME``, one after the other.

    Hydra's own sweeper would raise the first error of a multirun at its end, without the others'.
    This one takes the same arguments and replaces it, under its name ``basic``.
    """

    @override
    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Carry all runs out, or submit them where the launcher leaves them to a queue.

        Raises:
            RunsFailed: at the end, with every failure; after the first with ``on_failure=stop``.
            ConfigError: before anything starts, when a run's settings are wrong.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        given = parser.parse_overrides([*sweeper_params(self), *arguments])
        jobs = jobs_of(Composition(self.config), given)
        check_jobs(loader, self.config, jobs)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "multirun.yaml", without_password(OmegaConf.to_yaml(self.config)))
        done: list[JobReturn] = []
        for first in range(0, len(jobs), size := self._batch_size(len(jobs))):
            done += self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
            if self._stops_at_failure() and _failures(done):
                break
        _print_trained_elsewhere(done, len(jobs))
        if failures := _failures(done):
            raise RunsFailed(failures, len(done), len(jobs))
        return [done]

    def _stops_at_failure(self) -> bool:
        assert self.config is not None
        return OmegaConf.select(self.config, "on_failure") == "stop"

    def _batch_size(self, jobs: int) -> int:
        """Return how many runs are handed to the launcher together.

        All of them, unless a failure is to stop the rest: then as many as it runs side by side.
        """
        assert self.config is not None
        if self.max_batch_size is not None:
            return self.max_batch_size
        if not self._stops_at_failure():
            return max(jobs, 1)
        return max(1, int(OmegaConf.select(self.config, "hydra.launcher.n_jobs") or 1))


def _failures(done: list[JobReturn]) -> dict[str, str]:
    """Return the error of each failed run, by its overrides."""
    return {
        " ".join(job.overrides or []): _reason(outcome(job))
        for job in done
        if job.status != JobStatus.COMPLETED
        and not isinstance(outcome(job), TrainedElsewhere | LeftToQueue)
    }


def _print_trained_elsewhere(done: list[JobReturn], asked: int) -> None:
    """Say how many runs other processes train: two multiruns may share runs."""
    elsewhere = sum(isinstance(outcome(job), TrainedElsewhere) for job in done)
    if elsewhere:
        print(
            f"{elsewhere} of {asked} runs left to the processes that train them; the same command "
            "prints their results once they are finished",
            flush=True,
        )


def _reason(error: object) -> str:
    """Return a user's error in its own words, any other error with its class."""
    return str(error) if isinstance(error, SiammaeError) else f"{type(error).__name__}: {error}"
