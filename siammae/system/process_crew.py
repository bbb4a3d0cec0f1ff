"""Child processes that may crash or hang: each then costs the task that it was at, and no more.

A damaged video may end the process whose decoder opens it, or stop it for ever. So such work is
done in child processes with a pipe each, which share nothing. A child that dies is replaced. A
child that gives no sign of life for too long is killed and replaced. All of them end with their
parent, even when it is killed, and hear neither Ctrl-C nor what Slurm sends to all processes.
"""

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from types import ModuleType
from typing import Any

from siammae.system.end_with_parent import end_with_parent
from siammae.system.signals import shield_children_from_signals

WAKE = 0.5  # seconds between two looks for hanging processes
PULSE = 0.5  # seconds between two signs of life of a process at least

# Called in a process with a task: yields None as a sign of life, and results that may still get
# better; the last one is the task's result.
Work = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True)
class Lost:
    """The outcome of a task whose process crashed or hung.

    reason: such as ``crashed (SIGSEGV)``.
    """

    reason: str


class ProcessCrew:
    """Up to ``size`` processes that do tasks; use it in a ``with`` block, which ends them.

    Args:
        work: what is done with a task; a new process must be able to import it.
        size: number of processes; each is started when there is a task for it.
        patience: seconds without a sign of life after which a process is killed.
        preload: names of modules that `work` needs; they are imported once for all processes.
    """

    def __init__(self, work: Work, size: int, patience: float, preload: Sequence[str]):
        self.work, self.size, self.patience = work, size, patience
        self._context = clean_server(preload, shielded={signal.SIGINT})
        self._busy: list[_Process] = []
        self._idle: list[_Process] = []

    def __enter__(self) -> "ProcessCrew":
        return self

    def __exit__(self, *details: object) -> None:
        for process in (*self._busy, *self._idle):
            process.kill()

    @property
    def has_room(self) -> bool:
        """Whether another task can be given now."""
        return len(self._busy) < self.size

    @property
    def is_busy(self) -> bool:
        """Whether some task is not finished."""
        return bool(self._busy)

    def give(self, task: Any) -> None:
        """Have a task done; only when there `has_room`."""
        process = self._idle.pop() if self._idle else _Process(self._context, self.work)
        while not process.give(task):  # somebody killed it while it was idle
            process = _Process(self._context, self.work)
        self._busy.append(process)

    def finished(self) -> list[tuple[Any, Any]]:
        """Wait a moment; return finished tasks, each with its result or `Lost`."""
        ready = wait([process.pipe for process in self._busy], timeout=WAKE)
        outcomes = []
        for process in list(self._busy):
            try:
                is_done, result = process.hear() if process.pipe in ready else (False, None)
                if not is_done and process.silence() > self.patience:
                    result = process.give_up(f"hangs (no sign of life for {self.patience:g} s)")
                    is_done = True
            except EOFError:
                is_done, result = True, process.give_up(process.how_it_ended())
            if is_done:
                self._busy.remove(process)
                self._idle += [] if process.pipe.closed else [process]
                outcomes.append((process.task, result))
        return outcomes


class _Process:
    """A child process, seen from its parent."""

    def __init__(self, context: BaseContext, work: Work):
        self.pipe, theirs = context.Pipe()
        with shield_children_from_signals(), _blocked({signal.SIGINT}):
            self.process = context.Process(  # type: ignore[attr-defined]
                target=_serve, args=(theirs, work), daemon=True
            )
            self.process.start()
        theirs.close()
        self.task: Any = None
        self._heard, self._best = 0.0, None

    def give(self, task: Any) -> bool:
        """Send a task; return False, and end the process, when it does not take it."""
        self.task, self._heard, self._best = task, time.monotonic(), None
        try:
            self.pipe.send(task)
        except OSError:
            self.kill()
            return False
        return True

    def hear(self) -> tuple[bool, Any]:
        """Take what has come; return whether the task is done, and its result.

        Raises:
            EOFError: when the process is gone.
        """
        try:
            while self.pipe.poll():
                self._heard = time.monotonic()
                result, is_last = self.pipe.recv()
                self._best = self._best if result is None else result
                if is_last:
                    return True, self._best
        except OSError:
            raise EOFError from None
        return False, None

    def silence(self) -> float:
        """Return the seconds since the last sign of life."""
        return time.monotonic() - self._heard

    def give_up(self, reason: str) -> Lost:
        """End the process; return what becomes of its task."""
        self.kill()
        return Lost(reason)

    def how_it_ended(self) -> str:
        """Return ``crashed (SIGSEGV)`` or the like."""
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended its process (exit code {code})"

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, work: Work) -> None:
    """Do what comes through the pipe until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    sent = time.monotonic()
    try:
        while True:
            for result in work(pipe.recv()):
                if result is not None or time.monotonic() - sent > PULSE:
                    pipe.send((result, False))
                    sent = time.monotonic()
            pipe.send((None, True))
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        return


def clean_server(preload: Sequence[str], shielded: Collection[int] = ()) -> BaseContext:
    """Return a context whose processes come from a server that has imported modules, and no more.

    A plain fork of a process that has decoded or encoded video hangs in FFmpeg's locks. The server
    and its processes receive neither the run's `SIGNALS` nor those of ``shielded``.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = get_context("forkserver")
    context.set_forkserver_preload([*preload, *_imports_of_command()])
    # Apart from the server, whose start would unblock SIGTERM otherwise.
    with shield_children_from_signals():
        resource_tracker.ensure_running()
    with shield_children_from_signals(), _blocked(shielded):
        forkserver.ensure_running()
    return context


def _imports_of_command() -> list[str]:
    """Return the modules whose names a module that was started with ``python -m`` has imported.

    Every child process imports that module again; these modules then are there already.
    """
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is None or spec.name.endswith("__main__"):  # which children do not import
        return []
    values = [value for value in vars(main).values() if not isinstance(value, ModuleType)]
    names = {getattr(value, "__module__", None) for value in values}
    return sorted(name for name in sys.modules if name in names and name != "__main__")


@contextmanager
def _blocked(signals: Collection[int]) -> Iterator[None]:
    """Block signals in this block, and for ever in processes that start in it."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
