"""``hydra/launcher=slurm``: each run is a job of Slurm, put back into the queue at its limit.

Some time before the limit Slurm sends a signal. The trainer saves and closes everything, then
submitit's handler writes down the same call and requeues the job (`siammae.training.stop`); the
call finds the run unfinished and goes on from its checkpoint.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from siammae.config.errors import ConfigError
from siammae.config.launchers.base import OurLauncher, died, need, title

POLL = 2.0  # seconds between two looks whether jobs are over
# Arguments of submitit's executor itself; `_SHARED` are common to its clusters, all others Slurm's.
_OF_EXECUTOR = ("submitit_folder", "max_num_timeout", "python")
_SHARED = (
    "timeout_min",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "mem_gb",
    "nodes",
    "name",
    "stderr_to_stdout",
)
# Since Slurm 22.05 srun does not take over the cores that sbatch was given.
_CORES = (
    'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"',
    'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$SLURM_CPUS_PER_TASK}"',
)


class SlurmLauncher(OurLauncher):
    """Submits all runs as one job array and waits for their results.

    Args:
        params: the keys of hydra-submitit-launcher's ``submitit_slurm``.
    """

    def __init__(self, **params: Any) -> None:
        need("hydra_submitit_launcher", "slurm")
        if shutil.which("sbatch") is None:
            raise ConfigError("hydra/launcher=slurm: there is no sbatch here; run it where Slurm is")
        self.params = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in params.items()
        }

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """See Hydra's `Launcher`."""
        from hydra_plugins.hydra_submitit_launcher.submitit_launcher import (
            SlurmLauncher as Callable,  # what submitit calls in the job, and asks how to requeue it
        )

        call = Callable(**self.params)
        call.setup(
            hydra_context=self.hydra_context, task_function=self.task_function, config=self.config
        )
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        jobs = self._executor().map_array(
            call,
            [list(one) for one in job_overrides],
            ["hydra.sweep.dir"] * len(numbers),
            list(numbers),
            [f"job_id_for_{number}" for number in numbers],
            [Singleton.get_state()] * len(numbers),
        )
        print(f"submitted to Slurm: {', '.join(job.job_id for job in jobs)}", flush=True)
        return self._collect(dict(zip(jobs, zip(numbers, job_overrides, strict=True), strict=True)))

    def _executor(self) -> Any:
        import submitit

        folder, timeouts, python = (self.params.get(key) for key in _OF_EXECUTOR)
        executor = submitit.AutoExecutor(
            folder, cluster="slurm", slurm_max_num_timeout=timeouts, slurm_python=python
        )
        params = {key: value for key, value in self.params.items() if key not in _OF_EXECUTOR}
        if params.get("cpus_per_task"):
            params["setup"] = [*_CORES, *(params.get("setup") or [])]
        executor.update_parameters(
            **{key if key in _SHARED else f"slurm_{key}": value for key, value in params.items()}
        )
        return executor

    def _collect(self, jobs: dict[Any, tuple[int, Sequence[str]]]) -> list[JobReturn]:
        """Results in the order of the jobs; each is told of as it comes."""
        from submitit.helpers import as_completed

        results: dict[int, JobReturn] = {}
        try:
            for job in as_completed(list(jobs), poll_frequency=POLL):
                number, overrides = jobs[job]
                results[number] = result = _result(job, number, overrides)
                name = f"{title(number, overrides)}, Slurm's {job.job_id}"
                if result.status == JobStatus.COMPLETED:
                    print(f"{name}: finished", flush=True)
                else:
                    why = f"{result._return_value}; its log: {job.paths.stdout}"
                    print(f"{name}: failed: {why}", file=sys.stderr, flush=True)
        except (KeyboardInterrupt, SystemExit):
            left = " ".join(job.job_id for job, (n, _) in jobs.items() if n not in results)
            print(f"Slurm goes on with its jobs; to end them: scancel {left}", file=sys.stderr)
            raise
        return [results[number] for number in sorted(results)]


def _result(job: Any, number: int, overrides: Sequence[str]) -> JobReturn:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        result: JobReturn = job.results()[0]
    except (FailedJobError, UncompletedJobError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        why = lines[-1] if isinstance(error, FailedJobError) else f"Slurm says {job.state}"
        return died(number, overrides, f"{why}; see {job.paths.stderr}")
    return result
