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

from siammae.launching.launchers.base import OurLauncher, died, need, titles
from siammae.system.errors import ConfigError
from siammae.system.signals import polite_end

_at_work = threading.Lock()  # held in a worker that has a run
PARENT_LOOK = 1.0  # seconds between two looks of a worker for the process that started it


class ProcessLauncher(OurLauncher):
    """Workers of joblib's process pool, one pool for each, so that one that dies takes no other.

    A worker sees one GPU, and the processor's cores are shared out evenly as ``OMP_NUM_THREADS``,
    unless that is set. Runs are handed to workers as these become free.

    Args:
        n_jobs: runs at a time; null: one for each visible GPU, or without any one for each core.
            More than there are GPUs share them evenly.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        need("hydra_joblib_launcher", "joblib")
        if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < 1):
            raise ConfigError(f"hydra.launcher.n_jobs={n_jobs}: must be null or an int >= 1")
        self.n_jobs = n_jobs

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """See Hydra's `Launcher`. An interrupt reaches the workers, which save and end."""
        setup_globals()
        gpus = _gpus(str(self.config.get("device", "auto")))
        workers = [_Worker(env) for env in _places(self.n_jobs, len(job_overrides), gpus)]
        print(f"{len(job_overrides)} runs, {len(workers)} at a time", flush=True)
        names = titles(job_overrides, initial_job_idx)
        waiting = list(zip(names, map(list, job_overrides), strict=True))
        results: dict[int, JobReturn] = {}
        with polite_end():
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
                1, env=self.env, initializer=_begin, initargs=(os.getpid(),)
            )
        self.job = (number, overrides)
        self.future: Future[JobReturn] = self.pool.submit(
            _work,
            number,
            overrides,
            launcher.hydra_context,
            launcher.config,
            launcher.task_function,
            Singleton.get_state(),
        )

    def finish(self) -> tuple[int, list[str]]:
        """The job, which is over."""
        assert self.job is not None
        job, self.job = self.job, None
        if isinstance(self.future.exception(), Exception):  # no process, and a pool without use
            self.pool.shutdown(wait=False, kill_workers=True)
            self.pool = None
        return job

    def ask_to_end(self) -> None:
        """Have a job that still runs save and end."""
        if self.pool is not None and self.job is not None:
            for process in list(self.pool._processes.values()):
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
    told = isinstance(error, SystemExit | KeyboardInterrupt)
    return died(title, overrides, "it was told to stop" if told else str(error).split("\n")[0])


def _work(
    number: int, overrides: list[str], context: Any, config: Any, task: Any, singletons: Any
) -> JobReturn:
    """A job, in a worker."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    with _at_work, redirect_stdout(_Prefixed(sys.stdout, f"[{number}] ")):
        try:
            return execute_job(number, overrides, context, config, task, 0, singletons, False)
        except (SystemExit, KeyboardInterrupt) as stop:
            # Hydra hangs the job's result on it, which holds it in turn: pickling would not end.
            raise type(stop)(*stop.args) from None


class _Prefixed(TextIOBase):
    """Whole lines with the number of their job: several runs print to one terminal.

    Not a terminal itself, so that none of them draws a bar.
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


def _begin(parent: int) -> None:
    """In a worker: end politely when the process that started it is gone, however it went."""
    # joblib's pool makes its own start method the default, which the run's data workers lack.
    multiprocessing.set_start_method(None, force=True)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        with _at_work:  # nobody is left to take the result, so that the pool would wait for ever
            os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _gpus(device: str) -> list[str]:
    """The GPUs that runs may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
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


def _places(n_jobs: int | None, jobs: int, gpus: list[str]) -> list[dict[str, str]]:
    """The environment of each worker."""
    from joblib import cpu_count

    cores = cpu_count()
    count = min(n_jobs or len(gpus) or cores, jobs)
    env = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, cores // count)))}
    if not gpus:
        return [dict(env) for _ in range(count)]
    return [{**env, "CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(count)]
