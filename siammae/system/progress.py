"""Telling a person how a run goes: a bar on a terminal, lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

EVERY = 10.0  # seconds between two plain lines
TIMED = 5  # steps before the time left is told
WIDTH = 120  # columns of tables where no terminal tells


def console() -> "Console":
    """Where tables are printed: as wide as the terminal, and wide enough in a file or a pipe."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


class ProgressBar:
    """Step, loss, pairs a second and time left; use in a ``with`` block.

    Args:
        steps: of the whole run.
        first: steps that are done already.
        mode: ``auto`` (rich on a terminal, else plain), ``rich``, ``plain`` or ``none``.
    """

    def __init__(self, steps: int, first: int, mode: str):
        if mode == "auto":
            mode = "rich" if sys.stdout.isatty() else "plain"
        self.steps, self.step, self.mode = steps, first, mode
        self.loss: float | None = None
        self.speed = 0.0
        self._first = first
        self._timed: tuple[int, float] | None = None  # the first step that was done here, and when
        self._told = time.monotonic()
        self._bar = _rich_bar() if mode == "rich" else None

    def __enter__(self) -> "ProgressBar":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self.steps, completed=self.step, text="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self.mode == "plain" and self.step > self._first:
            self._line()

    def advance(self, step: int) -> None:
        """A step is done."""
        self.step = step
        if self._timed is None:
            self._timed = (step, time.monotonic())
        if self._bar is not None:
            self._bar.update(self._task, completed=step, text=self._text())
        elif self.mode == "plain" and time.monotonic() - self._told >= EVERY:
            self._line()

    def measured(self, loss: float, pairs_per_second: float) -> None:
        """New figures to show."""
        self.loss, self.speed = loss, pairs_per_second

    def _text(self) -> str:
        return "" if self.loss is None else f"loss {self.loss:.4f}  {self.speed:,.0f} pairs/s"

    def _line(self) -> None:
        self._told = time.monotonic()
        parts = [f"  step {self.step}/{self.steps}", self._text(), self._left()]
        print("  ".join(part for part in parts if part), flush=True)

    def _left(self) -> str:
        """Time left, once enough steps are timed.

        The first is not: it waits for the readers to start and for the device to warm up.
        """
        first, begun = self._timed or (self.step, self._told)
        timed = self.step - first
        if timed < TIMED:
            return ""
        return f"{(self._told - begun) / timed * (self.steps - self.step):.0f} s left"


def _rich_bar() -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn(" "),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )


class Counter:
    """Counts what is done of a known number; a callable ``(done, total, name)`` in ``with``.

    Args:
        unit: what is counted.
        mode: as for `ProgressBar`.
    """

    def __init__(self, unit: str, mode: str):
        if mode == "auto":
            mode = "rich" if sys.stdout.isatty() else "plain"
        self.unit, self.mode, self._told = unit, mode, time.monotonic()
        self._bar = _rich_bar() if mode == "rich" else None

    def __enter__(self) -> "Counter":
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, text="")
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, name: str) -> None:
        """``done`` of ``total`` are done, the last being ``name``."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, text=name)
        elif self.mode == "plain" and (time.monotonic() - self._told >= EVERY or done == total):
            self._told = time.monotonic()
            print(f"  {self.unit} {done}/{total}", flush=True)
