"""A process that examines files one by one, so that a decoder can crash or hang in it alone."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, Signals, pthread_sigmask

from siammae.data.auditing.facts import Facts
from siammae.data.auditing.status import status_of
from siammae.system.end_with_parent import end_with_parent
from siammae.system.signals import shield_children_from_signals

# Facts of a file (path, name in the manifest), as `examine` gives them.
Examine = Callable[[Path, str], Iterator[Facts | None]]


@dataclass
class Worker:
    """The process, seen from the one that started it.

    heard: when it last gave a sign of life. best: facts of the present file so far.
    """

    process: BaseProcess
    pipe: Connection
    path: Path | None = None
    name: str = ""
    heard: float = 0.0
    best: Facts | None = None
    status: tuple[int, int] = field(default=(-1, -1))

    @classmethod
    def start(cls, examine: Examine) -> "Worker":
        """A new process, which hears neither Ctrl-C nor what Slurm sends to all: its parent does.

        It ends with its parent, however that ends.
        """
        context = _context()
        ours, theirs = context.Pipe()
        former = pthread_sigmask(SIG_BLOCK, {SIGINT})
        try:
            with shield_children_from_signals():
                process = context.Process(  # type: ignore[attr-defined]
                    target=_work, args=(theirs, examine), daemon=True
                )
                process.start()
        finally:
            pthread_sigmask(SIG_SETMASK, former)
        theirs.close()
        return cls(process, ours)

    def give(self, path: Path, name: str) -> None:
        """The next file."""
        self.path, self.name, self.best = path, name, None
        self.status, self.heard = status_of(path), time.monotonic()
        self.pipe.send((path, name))

    def listen(self) -> Facts | None:
        """Take what has come; returns the final facts once they are here.

        Raises:
            EOFError: when the process is gone.
        """
        try:
            while self.pipe.poll():
                self.heard = time.monotonic()
                facts, is_final = self.pipe.recv()
                if is_final:
                    return facts or self.best
                self.best = facts or self.best
        except OSError:
            raise EOFError from None
        return None

    def silence(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self.heard

    def give_up(self, what: str) -> Facts:
        """Kill the process; the facts of its file, which made it ``what``."""
        self.kill()
        if self.best is None:
            facts = Facts(self.name, *self.status)
            facts.reject(f"the decoder {what}")
        else:  # straight decoding was through: it was decord
            facts = self.best
            facts.judge(facts.reader, facts.usable, f"decord {what}")
        return facts

    def how_it_ended(self) -> str:
        """``crashed (SIGSEGV)`` or the like."""
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"crashed ({Signals(-code).name})"
        return f"ended its process (exit code {code})"

    def kill(self) -> None:
        """At once, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _context() -> BaseContext:
    """Processes come from a clean server that has imported the decoders once, and nothing else."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    from multiprocessing import resource_tracker

    # Its start would have this process hear the signals again that are blocked for the server.
    resource_tracker.ensure_running()
    context = get_context("forkserver")
    modules = [__name__, "siammae.data.auditing.examine", "cv2", "av", "decord"]
    # Each process imports the command's own module again, whose imports are there then.
    modules.append("siammae.launching.entry")
    context.set_forkserver_preload(modules)
    return context


def _work(pipe: Connection, examine: Examine) -> None:
    end_with_parent()
    import cv2

    cv2.setNumThreads(1)
    while True:
        try:
            path, name = pipe.recv()
            final = None
            for facts in _guarded(examine, path, name):
                final = facts or final
                pipe.send((facts, False))
            pipe.send((final, True))
        except (EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
            return


def _guarded(examine: Examine, path: Path, name: str) -> Iterator[Facts | None]:
    """What `examine` gives; any error of a decoder is a finding about the file."""
    try:
        yield from examine(path, name)
    except Exception as error:
        facts = Facts(name, *status_of(path))
        facts.reject(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        yield facts
