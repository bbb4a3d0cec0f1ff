"""Hydra's sweeper for multiruns: expands experiments, goes on after failures, tells them all."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from siammae.config.schema import check
from siammae.planning.jobs import jobs_of
from siammae.system.errors import ConfigError, RunsFailed, SiammaeError, TrainedElsewhere


class ExperimentSweeper(BasicSweeper):
    """Runs every setting of the command line, or of ``experiments=NAME``, one after the other.

    Hydra's own would raise the first error of a multirun at its end, without the others'. It takes
    the same arguments and stands in its place, under its name ``basic``.
    """

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Carry all runs out.

        Raises:
            RunsFailed: at the end, with every failure; after the first with ``on_failure=stop``.
            ConfigError: before anything starts, when a run's settings are wrong.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        jobs = jobs_of(self.config, parser.parse_overrides([*self._parse_config(), *arguments]))
        self.validate_batch_is_legal(jobs)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        done: list[Sequence[JobReturn]] = []
        for first in range(0, len(jobs), size := self._at_once(len(jobs))):
            done.append(self.launcher.launch(jobs[first : first + size], initial_job_idx=first))
            if self._stops() and _failures(done):
                break
        failures = _failures(done)
        _tell_elsewhere(done, len(jobs))
        if failures:
            raise RunsFailed(failures, sum(map(len, done)), len(jobs))
        return done

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose and check the settings of every run before the first one starts."""
        assert self.config is not None
        assert self.hydra_context is not None
        problems = []
        common = set.intersection(*(set(job) for job in batch)) if len(batch) > 1 else set()
        for job in batch:
            config = self.hydra_context.config_loader.load_sweep_config(self.config, list(job))
            keys = [str(key) for key in config if key != "hydra"]
            if "experiment" not in keys:  # another command's, which checks its own
                continue
            try:
                check(OmegaConf.masked_copy(config, keys))
            except SiammaeError as error:
                problems.append(f"{' '.join(p for p in job if p not in common)}: {error}")
        if problems:
            raise ConfigError("\n       ".join(problems))

    def _stops(self) -> bool:
        assert self.config is not None
        return OmegaConf.select(self.config, "on_failure") == "stop"

    def _at_once(self, jobs: int) -> int:
        """How many runs are handed to the launcher together.

        All, unless a failure is to stop the rest: then as many as it runs side by side.
        """
        assert self.config is not None
        if self.max_batch_size is not None:
            return self.max_batch_size
        if not self._stops():
            return max(jobs, 1)
        return max(1, int(OmegaConf.select(self.config, "hydra.launcher.n_jobs") or 1))


def _failures(done: list[Sequence[JobReturn]]) -> dict[str, str]:
    """The error of each failed run, by its overrides."""
    failures = {}
    for batch in done:
        for job in batch:
            if job.status != JobStatus.COMPLETED and not _is_elsewhere(job):
                failures[" ".join(job.overrides or [])] = _reason(job)
    return failures


def _is_elsewhere(job: JobReturn) -> bool:
    return isinstance(job._return_value, TrainedElsewhere)


def _tell_elsewhere(done: list[Sequence[JobReturn]], asked: int) -> None:
    """Two multiruns may share runs; each is trained by whoever comes first."""
    left = sum(_is_elsewhere(job) for batch in done for job in batch)
    if left:
        print(
            f"{left} of {asked} runs left to the processes that train them; the same command "
            "tells their results once they are finished",
            flush=True,
        )


def _reason(job: JobReturn) -> str:
    """A user's error in its own words, any other with its kind."""
    error = job._return_value  # its property would raise, and print lines of Hydra's own first
    if isinstance(error, SiammaeError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def register() -> None:
    """Stand in for Hydra's basic sweeper; to be called before ``hydra.main`` runs."""
    Plugins.instance().register(ExperimentSweeper)
    target = f"{ExperimentSweeper.__module__}.{ExperimentSweeper.__qualname__}"
    node = {"_target_": target, "max_batch_size": None, "params": None}
    ConfigStore.instance().store(
        group="hydra/sweeper", name="basic", node=node, provider="siammae", replace=True
    )
