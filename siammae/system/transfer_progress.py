"""Telling a person how downloads go: bars on a terminal, lines elsewhere."""

import sys
import threading
import time
from typing import TYPE_CHECKING

from siammae.system.progress import EVERY

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


MANY = 8  # transfers above which bars of finished ones make room


class Transfers:
    """A callable ``(name, what, done, total)`` in bytes, for several threads; use in ``with``.

    Args:
        transfers: how many there will be, if they are many.
    """

    def __init__(self, transfers: int = 0) -> None:
        self.transfers, self._finished = transfers, 0
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._bars = _bars() if sys.stdout.isatty() else None

    def __enter__(self) -> "Transfers":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, name: str, what: str, done: int, total: int | None) -> None:
        """``what`` is fetching, checking, measuring, unpacking or done; sizes are in bytes."""
        with self._lock:
            before, at = self._told.get(name, ("", 0.0))
            if self._bars is not None:
                self._told[name] = what, 0.0
                self._show(self._bars, name, what, what != before, done, total)
            elif what != before or time.monotonic() - at >= EVERY:
                self._told[name] = what, time.monotonic()
                print(f"  {name}: {what}{_amount(what, done, total)}", flush=True)

    def _show(
        self, bars: "Progress", name: str, what: str, new: bool, done: int, total: int | None
    ) -> None:
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, what=what)
        task = self._tasks[name]
        if what == "checking":  # the bar stays as full as it was
            bars.update(task, what=what)
        elif new:
            bars.reset(task, completed=done, total=total, what=what)
        else:
            bars.update(task, completed=done, total=total)
        if what == "done" and self.transfers > MANY:
            self._finished += 1
            bars.remove_task(self._tasks.pop(name))
            bars.console.print(f"  {name}: done, {self._finished} of {self.transfers}")


def _amount(what: str, done: int, total: int | None) -> str:
    if what in ("checking", "done"):
        return ""
    return (
        f" {done / 1e6:.1f} MB" if total is None else f" {done / 1e6:.1f} of {total / 1e6:.1f} MB"
    )


def _bars() -> "Progress":
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("  {task.description}"),
        TextColumn("{task.fields[what]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
