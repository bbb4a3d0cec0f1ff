"""All files of a data set, examined by several processes that no file can take down."""

from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from siammae.data.auditing.examiner import Examine, Worker
from siammae.data.auditing.facts import Facts

WAKE = 0.5  # seconds between two looks for hanging processes


def survey(
    files: Sequence[tuple[Path, str]], examine: Examine, workers: int, timeout: float
) -> Iterator[Facts]:
    """Facts of each file, in the order in which they come.

    Args:
        files: path and name in the manifest of each.
        examine: called in the processes, so it must be importable there.
        workers: processes.
        timeout: seconds without a sign of life after which a process is killed; a process that is
            killed or crashes takes down one file, and another one goes on.
    """
    waiting = deque(files)
    busy: dict[Connection, Worker] = {}
    idle: list[Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else Worker.start(examine)
                if _given(worker, *waiting[0]):
                    waiting.popleft()
                    busy[worker.pipe] = worker
            ready = {cast(Connection, pipe) for pipe in wait(list(busy), timeout=WAKE)}
            for pipe, worker in list(busy.items()):
                facts = _result(worker, pipe in ready, timeout)
                if facts is not None:
                    del busy[pipe]
                    if not pipe.closed:
                        idle.append(worker)
                    yield facts
    finally:
        for worker in (*busy.values(), *idle):
            worker.kill()


def _given(worker: Worker, path: Path, name: str) -> bool:
    """Whether the worker took the file: an idle one may have been killed by somebody."""
    try:
        worker.give(path, name)
    except OSError:
        worker.kill()
        return False
    return True


def _result(worker: Worker, has_news: bool, timeout: float) -> Facts | None:
    """The facts of a worker's file when they are final, or it can give no more."""
    try:
        facts = worker.listen() if has_news else None
    except EOFError:
        return worker.give_up(worker.how_it_ended())
    if facts is None and worker.silence() > timeout:
        return worker.give_up(f"hangs (no frame for {timeout:g} s)")
    return facts
