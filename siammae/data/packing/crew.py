"""The processes that pack, and what is done when one of them dies or hangs on a clip."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from siammae.data.packing.packer import Add, Alive, Begin, Broken, Close, Closed, Failed, work
from siammae.data.packing.row import Row
from siammae.data.packing.shard_writer import How
from siammae.data.reading.clips import Clips
from siammae.system.signals import shield_children_from_signals

PATIENCE = 300.0  # seconds without a frame after which a decoder is taken to hang


class CannotWrite(Exception):
    """A shard cannot be written; the message is the system's."""


@dataclass
class Job:
    """A shard under way.

    shard, path: its number, and its file under a temporary name. todo: clips that are not in it.
    rows: of those that are. broken: the reason of each that was left out.
    stays_open: it is not closed after its clips, for more are to come.
    """

    shard: int
    path: Path
    todo: list[int]
    rows: list[Row] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    stays_open: bool = False

    def end(self) -> int:
        """Bytes of the clips that it has."""
        return max((row.end() for row in self.rows), default=0)


class Member:
    """One process and what it does; a new process takes over when it dies."""

    def __init__(self, start: Callable[[], tuple[Any, Connection]]):
        self._start = start
        self.process, self.pipe = start()
        self.job: Job | None = None
        self.deadline, self.deaths = 0.0, 0

    def begin(self, job: Job) -> None:
        """Open a shard's file and go on with its first clip."""
        self.job = job
        self._send(Begin(job.path, job.shard, job.end()))
        self.go_on()

    def go_on(self) -> None:
        """Ask for the next clip, or the end."""
        assert self.job is not None
        self.deadline = time.monotonic() + PATIENCE
        self._send(Add(self.job.todo[0]) if self.job.todo else Close())

    def hear(self) -> Row | Broken | Closed | None:
        """Take an answer; None when there was none to take.

        Raises:
            CannotWrite: when the shard cannot be written.
        """
        assert self.job is not None
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(10)
            return self.gone(_death(self.process.exitcode))
        if isinstance(answer, Failed):
            raise CannotWrite(answer.reason)
        if isinstance(answer, Alive):
            self.deadline = time.monotonic() + PATIENCE
            return None
        return self._note(answer)

    def gone(self, reason: str) -> Broken | None:
        """Put a new process in the place of one that died or hangs; a clip gets two tries."""
        assert self.job is not None
        self.end()
        self.process, self.pipe = self._start()
        self.deaths += 1
        if self.deaths > 1:
            if not self.job.todo:
                raise CannotWrite(f"the process that was to end the shard {reason}")
            broken = Broken(f"the process that decoded it {reason}")
            self._note(broken)
            self._send(Begin(self.job.path, self.job.shard, self.job.end()))
            return broken
        self.begin(self.job)
        return None

    def _note(self, answer: Row | Broken | Closed) -> Row | Broken | Closed:
        assert self.job is not None
        self.deaths = 0
        if isinstance(answer, Row):
            self.job.rows.append(answer)
            self.job.todo.pop(0)
        elif isinstance(answer, Broken):
            self.job.broken[self.job.todo.pop(0)] = answer.reason
        return answer

    def _send(self, asked: Begin | Add | Close) -> None:
        with suppress(OSError):  # when it died the next `hear` finds out
            self.pipe.send(asked)

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Crew:
    """Several processes that pack; use in a ``with`` block, which ends them.

    Args:
        size: how many.
        clips: where clips are found.
        how: they are packed.
    """

    def __init__(self, size: int, clips: Clips, how: How):
        forks = "forkserver" in get_all_start_methods()
        self.context: Any = get_context("forkserver" if forks else "spawn")
        if forks:
            parts = ["siammae.data.packing.packer", "simplejpeg", "cv2", "av", "decord"]
            self.context.set_forkserver_preload(parts)
        self.size, self.arguments = size, (clips, how)
        self.members: list[Member] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *details: object) -> None:
        for member in self.members:
            member.end()

    def run(self, jobs: Iterable[Job], heard: Callable[[Job, Row | Broken | Closed], None]) -> None:
        """Do all jobs.

        Args:
            jobs: taken one by one as processes have time.
            heard: called with each answer; `Closed` when a shard is whole.

        Raises:
            CannotWrite: when a shard cannot be written.
        """
        waiting = iter(jobs)
        idle = list(self.members)
        for job in waiting:
            member = idle.pop() if idle else self._more()
            member.begin(job)
            if len(self.members) == self.size and not idle:
                break
        while busy := [member for member in self.members if member.job is not None]:
            ready = wait([member.pipe for member in busy], timeout=1)
            for member in busy:
                self._turn(member, member.pipe in ready, waiting, heard)

    def _turn(
        self,
        member: Member,
        ready: bool,
        waiting: Iterator[Job],
        heard: Callable[[Job, Row | Broken | Closed], None],
    ) -> None:
        """What one process said, and what it is to do next."""
        job = member.job
        assert job is not None
        answer = None
        if ready:
            answer = member.hear()
        elif time.monotonic() > member.deadline:
            answer = member.gone(f"gave no frame for {PATIENCE:.0f} s")
        if answer is None:
            return
        heard(job, answer)
        if isinstance(answer, Closed) or (job.stays_open and not job.todo):
            member.job = None
            new = next(waiting, None)
            if new is not None:
                member.begin(new)
        else:
            member.go_on()

    def _more(self) -> Member:
        member = Member(self._start)
        self.members.append(member)
        return member

    def _start(self) -> tuple[Any, Connection]:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, args=(theirs, *self.arguments), daemon=True)
        with shield_children_from_signals():
            process.start()
        theirs.close()
        return process, ours


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"died ({signal.Signals(-code).name})"
    return f"ended (exit code {code})"
