"""All files of a data set, examined by several processes that no file can take down."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from siammae.data.manifests.facts import Facts, status_of
from siammae.system.process_crew import Lost, ProcessCrew

# Yields facts of a file (path, name in the manifest), as `examine` does.
Examine = Callable[[Path, str], Iterator[Facts | None]]
PRELOAD = ("siammae.data.auditing.examine", __name__, "cv2", "av")


def survey(
    files: Sequence[tuple[Path, str]], examine: Examine, workers: int, timeout: float
) -> Iterator[Facts]:
    """Yield the facts of each file, in the order in which they are found.

    Args:
        files: path, and name in the manifest, of each file.
        examine: finds the facts; it is called in the processes, so it must be importable there.
        workers: number of processes.
        timeout: seconds without a sign of life after which a process is killed.
    """
    waiting, statuses = deque(files), {}
    with ProcessCrew(partial(_work, examine), workers, timeout, PRELOAD) as crew:
        while waiting or crew.is_busy:
            while waiting and crew.has_room:
                path, name = waiting.popleft()
                statuses[name] = status_of(path)
                crew.give((path, name))
            for (_, name), outcome in crew.finished():
                status = statuses.pop(name)
                yield _facts(name, status, outcome) if isinstance(outcome, Lost) else outcome


def _facts(name: str, status: tuple[int, int], lost: Lost) -> Facts:
    """Return the facts of a file that took its process down."""
    facts = Facts(name, *status)
    facts.reject(f"the decoder {lost.reason}")
    return facts


def _work(examine: Examine, file: tuple[Path, str]) -> Iterator[Facts | None]:
    """Yield what ``examine`` does; any error of a decoder is a finding about the file."""
    import cv2

    cv2.setNumThreads(1)
    path, name = file
    try:
        yield from examine(path, name)
    except Exception as error:
        facts = Facts(name, *status_of(path))
        facts.reject(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        yield facts
