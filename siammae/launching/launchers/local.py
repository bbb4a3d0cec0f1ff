"""``hydra/launcher=joblib``: several runs at a time on this machine, each on a GPU of its own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import TextIOBase
from typing import Any, TextIO

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals

from siammae.launching import hydra_adapter
from siammae.launching.launchers.base import JobLauncher, failed_result, job_titles, require_plugin
from siammae.system.errors import ConfigError
from siammae.system.signals import exit_on_signals

_busy = threading.Lock()  # held in a worker while it has a run
PARENT_LOOK = 1.0  # seconds between two checks of a worker that the process that started it lives


class ProcessLauncher(JobLauncher):
    """Runs jobs in workers of joblib, each a pool of one, so that one that dies ends no other.

    A worker sees one GPU. The processor's cores are divided evenly as ``OMP_NUM_THREADS``, unless
    that is set. A worker gets its next run when it is free.

    Args:
        n_jobs: runs at a time. None means one for each visible GPU, or one for each core where
            there is no GPU. More runs than GPUs share these evenly.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        require_plugin("hydra_joblib_launcher", "joblib")
        if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < 1):
            raise ConfigError(f"hydra.launcher.n_jobs={n_jobs}: must be null or an int >= 1")
        self.n_jobs = n_jobs

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out the jobs; an interrupt reaches the workers, which save and end."""
        setup_globals()
        gpus = _visible_gpus(str(self.config.get("device", "auto")))
        workers = [
            _Worker(env) for env in _worker_environments(self.n_jobs, len(job_overrides), gpus)
        ]
        print(f"{len(job_overrides)} runs, {len(workers)} at a time", flush=True)
        names = job_titles(job_overrides, initial_job_idx)
        waiting = list(zip(names, map(list, job_overrides), strict=True))
        results: dict[int, JobReturn] = {}
        with exit_on_signals():
            try:
                while waiting or any(worker.job is not None for worker in workers):
                    for worker in workers:
                        if waiting and worker.job is None:
                            worker.start(*waiting.pop(0), self)
                    running = [worker for worker in workers if worker.job is not None]
                    done, _ = wait([one.future for one in running], return_when=FIRST_COMPLETED)
                    for worker in [one for one in running if one.future in done]:
                        number, overrides = worker.finish()
                        results[number] = _result(worker.future, names[number], overrides)
            finally:
                for worker in workers:
                    worker.ask_to_end()
                for worker in workers:
                    worker.wait()
        return [results[number] for number in sorted(results)]


@dataclass
class _Worker:
    """A pool of one process, started anew when that has died."""

    env: dict[str, str]
    pool: Any = None
    job: tuple[int, list[str]] | None = None

    def start(self, number: int, overrides: list[str], launcher: ProcessLauncher) -> None:
        """Hand over a job."""
        from joblib.externals.loky import ProcessPoolExecutor

        if self.pool is None:
            self.pool = ProcessPoolExecutor(
                1, env=self.env, initializer=_init_worker, initargs=(os.getpid(),)
            )
        self.job = (number, overrides)
        self.future: Future[JobReturn] = self.pool.submit(
            _run_job,
            number,
            overrides,
            launcher.hydra_context,
            launcher.config,
            launcher.task_function,
            Singleton.get_state(),
        )

    def finish(self) -> tuple[int, list[str]]:
        """Return the job, which is over; drop the pool when its process has died."""
        assert self.job is not None
        job, self.job = self.job, None
        if isinstance(self.future.exception(), Exception):  # no process, and a pool without use
            self.pool.shutdown(wait=False, kill_workers=True)
            self.pool = None
        return job

    def ask_to_end(self) -> None:
        """Ask a job that still runs to save and end."""
        if self.pool is not None and self.job is not None:
            for process in hydra_adapter.pool_processes(self.pool):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Wait for the process to end."""
        if self.pool is not None:
            self.pool.shutdown(wait=True)


def _result(future: Future[JobReturn], title: str, overrides: list[str]) -> JobReturn:
    error = future.exception()
    if error is None:
        return future.result()
    stopped = isinstance(error, SystemExit | KeyboardInterrupt)
    reason = "it was asked to stop" if stopped else str(error).split("\n")[0]
    return failed_result(title, overrides, reason)


def _run_job(
    number: int, overrides: list[str], context: Any, config: Any, task: Any, singletons: Any
) -> JobReturn:
    with _busy, redirect_stdout(_PrefixedLines(sys.stdout, f"[{number}] ")):
        try:
            return hydra_adapter.execute_job(number, overrides, context, config, task, singletons)
        except (SystemExit, KeyboardInterrupt) as stop:
            # Hydra hangs the job's result on it, which holds it in turn: pickling would not end.
            raise type(stop)(*stop.args) from None


class _PrefixedLines(TextIOBase):
    """Prints whole lines that begin with the number of their job: several runs share a terminal.

    It is no terminal itself, so that none of the runs draws a bar.
    """

    def __init__(self, out: TextIO, prefix: str):
        self.out, self.prefix, self.line = out, prefix, ""

    def write(self, text: str) -> int:
        *lines, self.line = (self.line + text).split("\n")
        if lines:
            self.out.write("".join(f"{self.prefix}{line}\n" for line in lines))
            self.out.flush()
        return len(text)

    def writable(self) -> bool:
        return True


def _init_worker(parent: int) -> None:
    """Prepare a worker: it ends, after saving, when the process that started it is gone."""
    # joblib's pool makes its own start method the default, which the run's data workers lack.
    multiprocessing.set_start_method(None, force=True)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        with _busy:  # nobody is left to take the result, so that the pool would wait for ever
            os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _visible_gpus(device: str) -> list[str]:
    """Return the GPUs that runs may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if device.startswith("cuda:"):
        raise ConfigError(
            f"device={device}: with hydra/launcher=joblib each run sees one GPU; leave device=auto "
            "and name the GPUs in CUDA_VISIBLE_DEVICES"
        )
    if device in ("cpu", "mps"):
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _worker_environments(n_jobs: int | None, jobs: int, gpus: list[str]) -> list[dict[str, str]]:
    """Return the environment of each worker."""
    from joblib import cpu_count

    cores = cpu_count()
    count = min(n_jobs or len(gpus) or cores, jobs)
    env = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, cores // count)))}
    if not gpus:
        return [dict(env) for _ in range(count)]
    return [{**env, "CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(count)]
