"""Shards written side by side, and what is done when a process dies or hangs at a clip."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from siammae.data.packing.row import Row
from siammae.data.packing.shard_writer import Answer, Broken, Closed, Failed, How, Task, do_task
from siammae.data.reading.clips import Clips
from siammae.system.process_crew import Lost, ProcessCrew

PATIENCE = 300.0  # seconds without a frame after which a decoder is taken to hang
TRIES = 2  # of a clip whose process dies or hangs: the machine may have been at fault
PRELOAD = ("siammae.data.packing.shard_writer", "simplejpeg", "cv2", "av")


class CannotWrite(Exception):
    """A shard cannot be written; the message is the system's."""


@dataclass
class Job:
    """A shard under way.

    shard: its number. path: its file, under a temporary name.
    todo: numbers of the clips that are still to be appended.
    rows: rows of the clips that it holds. broken: why each other clip was left out.
    stays_open: it is not ended after its clips, since more are to come.
    """

    shard: int
    path: Path
    todo: list[int]
    rows: list[Row] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    stays_open: bool = False
    failures: int = 0

    def end(self) -> int:
        """Return the bytes that its clips take up."""
        return max((row.end() for row in self.rows), default=0)

    def next_task(self) -> Task:
        """Return what is to be done next."""
        return Task(self.path, self.shard, self.end(), self.todo[0] if self.todo else None)

    def take(self, answer: Answer | Lost) -> Row | Broken | Closed | None:
        """Note an answer and return it; None when the same task is to be tried again.

        Raises:
            CannotWrite: when the shard cannot be written.
        """
        if isinstance(answer, Failed):
            raise CannotWrite(answer.reason)
        if isinstance(answer, Lost):
            self.failures += 1
            if self.failures < TRIES:
                return None
            if not self.todo:
                raise CannotWrite(f"the process that was to end the shard {answer.reason}")
            answer = Broken(f"the process that decoded it {answer.reason}")
        self.failures = 0
        if isinstance(answer, Row):
            self.rows.append(answer)
            self.todo.pop(0)
        elif isinstance(answer, Broken):
            self.broken[self.todo.pop(0)] = answer.reason
        return answer


def packing_crew(size: int, clips: Clips, how: How) -> ProcessCrew:
    """Return processes that pack clips."""
    return ProcessCrew(partial(do_task, clips, how), size, PATIENCE, PRELOAD)


def run_jobs(
    crew: ProcessCrew,
    jobs: Iterable[Job],
    on_answer: Callable[[Job, Row | Broken | Closed], None],
) -> None:
    """Do all jobs, as many at once as the crew has processes.

    Args:
        crew: of `packing_crew`.
        jobs: taken one by one as processes have time.
        on_answer: called with each answer; it is `Closed` when a shard is whole.

    Raises:
        CannotWrite: when a shard cannot be written.
    """
    waiting = iter(jobs)
    active: dict[int, Job] = {}
    while True:
        while crew.has_room and (job := next(waiting, None)) is not None:
            active[job.shard] = job
            crew.give(job.next_task())
        if not active:
            return
        for task, outcome in crew.finished():
            job = active[task.shard]
            answer = job.take(outcome)
            if answer is not None:
                on_answer(job, answer)
            if isinstance(answer, Closed) or (job.stays_open and not job.todo):
                del active[task.shard]
            else:
                crew.give(job.next_task())
