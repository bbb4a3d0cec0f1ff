"""``hydra/launcher=slurm``: each run is a job of Slurm, put back into the queue at its limit.

Some time before the limit Slurm sends a signal. The trainer saves and closes everything, then
submitit's handler writes down the same call and requeues the job (`siammae.system.signals`); the
call finds the run unfinished and goes on from its checkpoint.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from typing_extensions import override

from siammae.launching import hydra_adapter
from siammae.launching.launchers.base import JobLauncher, failed_result, job_titles, require_plugin
from siammae.system.errors import ConfigError, ending

POLL = 2.0  # seconds between two looks for results
QUEUE_LOOK = 30.0  # seconds between two looks at the queue; also how long a result may come late
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


class SlurmLauncher(JobLauncher):
    """Submits all runs as one job array and waits for their results.

    Args:
        params: the keys of hydra-submitit-launcher's ``submitit_slurm``.
    """

    elsewhere = True

    def __init__(self, **params: Any) -> None:
        require_plugin("hydra_submitit_launcher", "slurm")
        if shutil.which("sbatch") is None:
            raise ConfigError(
                "hydra/launcher=slurm: there is no sbatch here; run it where Slurm is"
            )
        self.params = {
            key: OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for key, value in params.items()
        }

    @override
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from hydra_plugins.hydra_submitit_launcher.submitit_launcher import (
            SlurmLauncher as Callable,  # what submitit calls in the job, and asks how to requeue it
        )
        from submitit.core.utils import FailedJobError

        call = Callable(**self.params)
        call.setup(
            hydra_context=self.hydra_context, task_function=self.task_function, config=self.config
        )
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        names = job_titles(job_overrides, initial_job_idx)
        arguments = (
            [list(one) for one in job_overrides],
            ["hydra.sweep.dir"] * len(names),
            list(names),
            [f"job_id_for_{number}" for number in names],
            [Singleton.get_state()] * len(names),
        )
        try:
            jobs = self._executor().map_array(call, *arguments)
        except FailedJobError as error:  # what sbatch said comes last
            reason = str(error).strip().splitlines()[-1].strip()
            raise ConfigError(f"hydra/launcher=slurm: sbatch refused the runs: {reason}") from None
        print(f"submitted to Slurm: {', '.join(job.job_id for job in jobs)}", flush=True)
        return self._collect(dict(zip(names, jobs, strict=True)), names, job_overrides)

    def _executor(self) -> Any:
        import submitit

        folder, timeouts, python = (self.params.get(key) for key in _OF_EXECUTOR)
        # Joined here: Hydra composes the launcher apart, at a time of its own.
        executor = submitit.AutoExecutor(
            Path(self.config.hydra.sweep.dir) / str(folder),
            cluster="slurm",
            slurm_max_num_timeout=timeouts,
            slurm_python=python,
        )
        params = {key: value for key, value in self.params.items() if key not in _OF_EXECUTOR}
        if params.get("cpus_per_task"):
            params["setup"] = [*_CORES, *(params.get("setup") or [])]
        executor.update_parameters(
            **{key if key in _SHARED else f"slurm_{key}": value for key, value in params.items()}
        )
        return executor

    def _collect(
        self, jobs: dict[int, Any], names: dict[int, str], job_overrides: Sequence[Sequence[str]]
    ) -> list[JobReturn]:
        """Wait for all results, print each as it comes and return them in the order of the jobs."""
        overrides = dict(zip(names, job_overrides, strict=True))
        results: dict[int, JobReturn] = {}
        try:
            while left := {number: job for number, job in jobs.items() if number not in results}:
                gone = set(left.values()) - _queued(left.values())
                over = time.monotonic() + QUEUE_LOOK
                while time.monotonic() < over and len(results) < len(jobs):
                    for number, job in left.items():
                        if number not in results and job.paths.result_pickle.exists():
                            results[number] = _result(job, names[number], overrides[number])
                    time.sleep(POLL)
                for number in [n for n, job in left.items() if job in gone and n not in results]:
                    results[number] = failed_result(
                        names[number], overrides[number], _last_error(left[number])
                    )
        except (KeyboardInterrupt, SystemExit):
            ids = " ".join(job.job_id for number, job in jobs.items() if number not in results)
            print(f"Slurm goes on with its jobs; to end them: scancel {ids}", file=sys.stderr)
            raise
        return [results[number] for number in sorted(results)]


def _queued(jobs: Iterable[Any]) -> set[Any]:
    """Return the jobs that wait or run, without Slurm's accounting; all if squeue fails."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        return set(jobs)
    return {job for job in jobs if job.job_id in asked.stdout.split()}


def _result(job: Any, title: str, overrides: Sequence[str]) -> JobReturn:
    """Return the result that a job left in its folder."""
    from submitit.core.utils import pickle_load

    outcome, content = pickle_load(job.paths.result_pickle)
    if outcome != "success":
        return failed_result(
            title, overrides, f"{content.strip().splitlines()[-1]}; log: {job.paths.stderr}"
        )
    result: JobReturn = content
    if result.status == JobStatus.COMPLETED:
        print(f"{title}, Slurm's {job.job_id}: finished", flush=True)
    else:
        error = hydra_adapter.outcome(result)
        why = f"{ending(error)}: {error}; its log: {job.paths.stdout}"
        print(f"{title}, Slurm's {job.job_id}: {why}", file=sys.stderr, flush=True)
    return result


def _last_error(job: Any) -> str:
    """Return the end of a job's log of errors, where Slurm writes why it ended one."""
    try:
        lines = job.paths.stderr.read_text().splitlines()
    except OSError:
        lines = []
    lines = [line.strip() for line in lines if line.strip()]
    words = [line for line in lines if "***" in line][-1:] or lines[-1:] or ["it left no message"]
    return f"{words[0]}; see {job.paths.stderr}"
