"""Scoring videos, here or in other processes, such that each costs no more than itself."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from siammae.system.errors import DataError

Rows = list[dict[str, Any]]
DIED = "the process that scored it died, as one does that is killed for lack of memory"


@contextmanager
def only_this(video: str, failed: dict[str, str]) -> Iterator[None]:
    """Note in ``failed`` why a video cannot be measured, and go on; use in ``with``.

    That is so for files that cannot be used, and for a lack of memory. Other errors are raised.
    """
    try:
        yield
    except DataError as error:
        failed[video] = str(error)
    except (MemoryError, RuntimeError) as error:
        if not _is_lack_of_memory(error):
            raise
        lines = str(error).strip().splitlines()
        failed[video] = f"{video}: the memory does not suffice" + (
            f" ({lines[0]})" if lines else ""
        )


def _is_lack_of_memory(error: Exception) -> bool:
    """Return whether Python, NumPy or torch (which is not imported here) got no memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "DefaultCPUAllocator" in str(error)  # torch's on the CPU is a plain RuntimeError


class Scoring:
    """Scores videos, in other processes while the next video is predicted; use in ``with``.

    When a process dies, what was being scored at that time is scored once more, each in a process
    of its own.

    Args:
        score: (video, predicted) to rows; can be pickled when there are workers.
        workers: processes; 0 scores at once, in this process.
        failed: gets the reasons by video, see `only_this`.
    """

    def __init__(
        self, score: Callable[[str, Any], Rows], workers: int, failed: dict[str, str]
    ) -> None:
        self.score, self.workers, self.failed = score, workers, failed
        self._done: dict[str, Rows] = {}
        self._pending: dict[str, tuple[Future[Rows], Any]] = {}

    def __enter__(self) -> "Scoring":
        self._pool = self._start(self.workers) if self.workers else None
        return self

    def __exit__(self, *details: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, video: str, predicted: Any) -> None:
        """Score a video, now or soon."""
        if self._pool is None:
            with only_this(video, self.failed):
                self._done[video] = self.score(video, predicted)
            return
        # Predictions of a whole data set would not fit the memory.
        while len(self._pending) >= 2 * self.workers:
            wait([future for future, _ in self._pending.values()], return_when=FIRST_COMPLETED)
            self._collect()
        self._pending[video] = self._submit(video, predicted), predicted

    def rows(self) -> dict[str, Rows]:
        """Return the rows of each video that could be scored; the others are in ``failed`` then."""
        wait([future for future, _ in self._pending.values()])
        self._collect()
        return self._done

    def _collect(self) -> None:
        """Take the rows of the videos that are scored, and forget their predictions."""
        for video, (future, predicted) in list(self._pending.items()):
            if future.done():
                del self._pending[video]
                with only_this(video, self.failed):
                    try:
                        self._done[video] = future.result()
                    except BrokenProcessPool:
                        self._done[video] = self._alone(video, predicted)

    def _alone(self, video: str, predicted: Any) -> Rows:
        with self._start(1) as pool:
            try:
                return pool.submit(self.score, video, predicted).result()
            except BrokenProcessPool:
                raise DataError(f"{video}: {DIED}") from None

    def _submit(self, video: str, predicted: Any) -> Future[Rows]:
        assert self._pool is not None
        try:
            return self._pool.submit(self.score, video, predicted)
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = self._start(self.workers)
            return self._pool.submit(self.score, video, predicted)

    @staticmethod
    def _start(workers: int) -> ProcessPoolExecutor:
        # Not a plain fork: threads of torch and FFmpeg would leave their locks behind.
        return ProcessPoolExecutor(workers, get_context("spawn"))
