"""``hydra/launcher=slurm``: each run is a job of Slurm, put back into the queue at its limit.

Some time before the limit Slurm sends a signal. The trainer saves and closes everything, then
submitit's handler writes down the same call and requeues the job (`siammae.system.signals`); the
call finds the run unfinished and goes on from its checkpoint. A run on several GPUs or machines is
trained by processes of torch elastic (`siammae.launching.launchers.elastic`).
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from typing_extensions import override

from siammae.launching import hydra_adapter
from siammae.launching.launchers.base import (
    JobLauncher,
    LeftToQueue,
    failed_result,
    has_plugin,
    job_titles,
    require_plugin,
)
from siammae.launching.launchers.elastic import ElasticJob
from siammae.launching.launchers.submitted import Submitted, last_words, note
from siammae.system.command import without_password
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
_CORES = 'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'
_THREADS = 'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-%d}"'


def queue_keys() -> Any:
    """Return the keys of hydra-submitit-launcher and ours; None when it is not installed."""
    if not has_plugin("hydra_submitit_launcher"):
        return None
    from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf

    return make_dataclass("Queue", [("detach", bool, False)], bases=(SlurmQueueConf,))


class SlurmLauncher(JobLauncher):
    """Submits all runs as one job array and waits for their results, unless it leaves them.

    Args:
        detach: return when they are submitted, without their results.
        params: the keys of hydra-submitit-launcher's ``submitit_slurm``.
    """

    elsewhere = True

    def __init__(self, detach: bool = False, **params: Any) -> None:
        self.detach = detach
        require_plugin("hydra_submitit_launcher", "slurm")
        if shutil.which("sbatch") is None:
            raise ConfigError(
                "hydra/launcher=slurm: there is no sbatch here; run it where Slurm is"
            )
        self.params: dict[str, Any] = {
            key: OmegaConf.to_container(value, resolve=True)
            if OmegaConf.is_config(value)
            else value
            for key, value in params.items()
        }
        for key in ("nodes", "tasks_per_node"):
            if (value := self.params.get(key)) is not None and value < 1:
                raise ConfigError(f"hydra.launcher.{key}={value}: must be at least 1")

    @property
    def nodes(self) -> int:
        """The number of machines that train a run together."""
        return int(self.params.get("nodes") or 1)

    @property
    def processes(self) -> int:
        """The number of processes on each of them: ``tasks_per_node``, or else one a GPU."""
        asked = int(self.params.get("tasks_per_node") or 1)
        return asked if asked > 1 else max(1, int(self.params.get("gpus_per_node") or 1))

    @override
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from hydra_plugins.hydra_submitit_launcher.submitit_launcher import (
            SlurmLauncher as Callable,  # what submitit calls in the job, and asks how to requeue it
        )
        from submitit.core.utils import FailedJobError

        call: Any = Callable(**self.params)
        call.setup(
            hydra_context=self.hydra_context, task_function=self.task_function, config=self.config
        )
        self._check()
        if self.processes * self.nodes > 1:
            call = ElasticJob(call, "slurm", self.processes, self.nodes)
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
        by_number = dict(zip(names, jobs, strict=True))
        folder = self._note(by_number, job_overrides)
        if self.detach:
            print(f"left to Slurm, noted in {folder}; python -m siammae.runs shows them")
            return [left_result(job, one) for job, one in zip(jobs, job_overrides, strict=True)]
        return self._collect(by_number, names, job_overrides)

    def _check(self) -> None:
        """Refuse what needs the results of runs that nobody waits for, or one process a run."""
        sweeper = self.config.hydra.runtime.choices.get("hydra/sweeper", "basic")
        if sweeper != "basic" and self.processes * self.nodes > 1:
            raise ConfigError(
                f"hydra/sweeper={sweeper} does not go with several processes a run; take "
                "hydra.launcher.nodes=1 and hydra.launcher.gpus_per_node=1"
            )
        if sweeper != "basic" and self.detach:
            raise ConfigError(
                f"hydra/sweeper={sweeper} needs the result of each run; leave "
                "hydra.launcher.detach=true out"
            )
        if self.detach and OmegaConf.select(self.config, "on_failure") == "stop":
            raise ConfigError(
                "on_failure=stop needs the result of each run; leave it or "
                "hydra.launcher.detach=true out"
            )

    def _note(self, jobs: dict[int, Any], job_overrides: Sequence[Sequence[str]]) -> Path:
        """Note the jobs in the multirun's folder, which is returned."""
        folder = Path(self.config.hydra.sweep.dir).absolute()
        note(
            folder,
            (
                Submitted(
                    number,
                    job.job_id,
                    [without_password(text) for text in one],
                    str(Path(job.paths.stderr).absolute()),
                    str(Path(job.paths.result_pickle).absolute()),
                )
                for (number, job), one in zip(jobs.items(), job_overrides, strict=True)
            ),
        )
        return folder

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
        params["tasks_per_node"] = 1  # the agent, which starts the processes
        if cores := params.get("cpus_per_task"):
            params["cpus_per_task"] = cores * self.processes
            params["setup"] = [_CORES, _THREADS % cores, *(params.get("setup") or [])]
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
                        names[number], overrides[number], last_words(left[number].paths.stderr)
                    )
        except (KeyboardInterrupt, SystemExit):
            ids = " ".join(job.job_id for number, job in jobs.items() if number not in results)
            print(f"Slurm goes on with its jobs; to end them: scancel {ids}", file=sys.stderr)
            raise
        return [results[number] for number in sorted(results)]


def left_result(job: Any, overrides: Sequence[str]) -> JobReturn:
    """Return what is known of a job that nobody waits for: nothing but that it was submitted."""
    result = JobReturn(overrides=list(overrides), status=JobStatus.UNKNOWN)
    result.return_value = LeftToQueue(job.job_id)
    return result


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
