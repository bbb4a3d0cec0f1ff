"""Scoring in other processes, while the next video is predicted."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any

from siammae.system.errors import DataError

Rows = list[dict[str, Any]]


class Scoring:
    """Collects the rows of videos in the order in which they were added; use in ``with``.

    Args:
        score: (video, predicted) to rows; can be pickled when there are workers.
        workers: processes; 0 scores at once, in this process.
    """

    def __init__(self, score: Callable[[str, Any], Rows], workers: int):
        self.score, self.workers = score, workers
        self._waiting: dict[str, Future[Rows] | Rows] = {}

    def __enter__(self) -> "Scoring":
        # Not a plain fork: threads of torch and FFmpeg would leave their locks behind.
        context = get_context("spawn") if self.workers else None
        self._pool = ProcessPoolExecutor(self.workers, context) if self.workers else None
        return self

    def __exit__(self, *details: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, video: str, predicted: Any) -> None:
        """Score a video, now or soon.

        Raises:
            DataError: when there are no workers and the video cannot be scored.
        """
        if self._pool is None:
            self._waiting[video] = self.score(video, predicted)
        else:
            self._pause()
            self._waiting[video] = self._pool.submit(self.score, video, predicted)

    def _pause(self) -> None:
        """Wait while many predictions are pending: those of a data set would not fit the memory."""
        pending = [w for w in self._waiting.values() if isinstance(w, Future) and not w.done()]
        if len(pending) >= 2 * self.workers:
            wait(pending, return_when=FIRST_COMPLETED)

    def rows(self, failed: dict[str, str]) -> Rows:
        """All rows; videos that could not be scored are added to ``failed`` with the reason."""
        rows: Rows = []
        for video, waiting in self._waiting.items():
            try:
                rows += waiting.result() if isinstance(waiting, Future) else waiting
            except DataError as error:
                failed[video] = str(error)
        return rows
