"""What a part of the storm is asked for, what it answers, and processes to do it in."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siammae.system.process_crew import Lost, ProcessCrew

NAMED = 20  # failures that a line names; all are counted


@dataclass
class Order:
    """What a part is asked for.

    work: an empty folder of its own. seed: of all that is drawn. share: of the attempts of a whole
    storm. until: `time.monotonic` at which it stops where it is. case: the one attempt to repeat.
    """

    work: Path
    seed: int = 0
    share: float = 1.0
    until: float = float("inf")
    processes: int = 2
    case: str | None = None

    def count(self, whole: int) -> int:
        """Return this storm's share of so many attempts."""
        return max(1, round(whole * self.share))

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def say(self, text: str) -> None:
        """Print a line of progress at once."""
        print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass
class Line:
    """A line of the table.

    what: was attacked. tried, wrong: attempts, and those of them with a wrong end. outcomes: number
    of each end. failures: what went wrong, with what repeats it. asked: attempts that were to be.
    """

    what: str
    asked: int
    tried: int = 0
    wrong: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def note(self, outcome: str, failure: str = "", tried: int = 1) -> None:
        """Count an end; with ``failure`` it is a wrong one."""
        self.tried += tried
        self.outcomes[outcome] += tried
        if failure:
            self.wrong += tried
            self.failures += [failure] if len(self.failures) < NAMED else []


def in_processes(
    order: Order,
    work: Callable[[Any], Iterator[Any]],
    tasks: Iterable[Any],
    patience: float,
    preload: Iterable[str] = (),
) -> Iterator[tuple[Any, Any]]:
    """Yield each task with its result, or `Lost`, until the time is up."""
    waiting = iter(tasks)
    with ProcessCrew(work, order.processes, patience, [work.__module__, *preload]) as crew:
        more = True
        while more or crew.is_busy:
            while more and crew.has_room:
                task = None if order.is_over else next(waiting, None)
                if task is None:
                    more = False
                else:
                    crew.give(task)
            yield from crew.finished() if crew.is_busy else ()


__all__ = ["Line", "Lost", "Order", "in_processes"]
