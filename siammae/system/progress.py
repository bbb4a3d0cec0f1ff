"""How far a command is: bars on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

EVERY = 10.0  # seconds between two plain lines of a task
TIMED = 5  # counts that must be timed before the time left is printed
MANY = 8  # tasks above which the bars of finished ones are removed
WIDTH = 120  # columns of tables where there is no terminal
BYTES = "bytes"


def console() -> "Console":
    """Return where tables are printed: as wide as the terminal, or `WIDTH` in a file or a pipe."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


@dataclass
class _Task:
    """What was last shown of a task, and what was last printed of it."""

    printed_at: float
    stage: str = ""
    line: str = ""
    is_printed: bool = True
    timed: tuple[int, float] | None = None  # the first count, and when it was reached
    bar: Any = None


class ProgressDisplay:
    """Shows how far one or several tasks are; use in a ``with`` block, from any thread.

    Args:
        unit: what is counted, such as ``clips``. ``bytes`` shows sizes, and speed on a terminal.
        mode: ``auto`` (rich on a terminal, else plain), ``rich``, ``plain`` or ``none``.
        tasks: how many there will be.
    """

    def __init__(self, unit: str, mode: str = "auto", tasks: int = 1):
        if mode == "auto":
            mode = "rich" if sys.stdout.isatty() else "plain"
        self.unit, self.mode, self.tasks = unit, mode, tasks
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._known: dict[str, _Task] = {}
        self._finished = 0
        self._bars = _rich_bars(unit) if mode == "rich" else None

    def __enter__(self) -> "ProgressDisplay":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bars is not None:
            self._bars.stop()
        for task in self._known.values():
            if not task.is_printed:
                print(task.line, flush=True)

    def update(
        self, done: int, total: int | None, text: str = "", task: str = "", stage: str = ""
    ) -> None:
        """Show how far a task is.

        Args:
            done: count, or bytes; a resumed task begins with what was done before.
            total: of the same; None when it is not known.
            text: more about it, such as the loss.
            task: its name, where there are several.
            stage: what is done with it; a new stage is printed at once. Of ``checking`` and
                ``done`` no size is shown.
        """
        with self._lock:
            known = self._known.setdefault(task, _Task(self._begun))
            is_new, known.stage = stage != known.stage, stage
            if self._bars is not None:
                self._draw(self._bars, known, (done, total, text, task), is_new)
            elif self.mode == "plain":
                known.timed = known.timed or (done, time.monotonic())
                known.line = self._line(known, done, total, text, task)
                known.is_printed = is_new or time.monotonic() - known.printed_at >= EVERY
                if known.is_printed:
                    known.printed_at = time.monotonic()
                    print(known.line, flush=True)

    def _line(self, known: _Task, done: int, total: int | None, text: str, task: str) -> str:
        if self.unit == BYTES:
            of = "" if total is None else f" of {total / 1e6:.1f}"
            amount = f" {done / 1e6:.1f}{of} MB" if known.stage not in ("checking", "done") else ""
            return f"  {task}: {known.stage}{amount}"
        parts = [f"  {self.unit} {done}/{total}", text, _time_left(known, done, total)]
        return "  ".join(part for part in parts if part)

    def _draw(
        self, bars: "Progress", known: _Task, shown: tuple[int, int | None, str, str], new: bool
    ) -> None:
        done, total, text, task = shown
        text = known.stage or text
        if known.bar is None:
            known.bar = bars.add_task(task, total=total, completed=done, text=text)
        elif known.stage == "checking":  # the bar stays as full as it was
            bars.update(known.bar, text=text)
        elif new:
            bars.reset(known.bar, completed=done, total=total, text=text)
        else:
            bars.update(known.bar, completed=done, total=total, text=text)
        if known.stage == "done" and self.tasks > MANY:
            self._finished += 1
            bars.remove_task(known.bar)
            del self._known[task]
            bars.console.print(f"  {task}: done, {self._finished} of {self.tasks}")


def _time_left(known: _Task, done: int, total: int | None) -> str:
    """Return the time left, once enough counts are timed.

    The first is not: it waits for the readers to start and for the device to warm up.
    """
    first, begun = known.timed or (done, 0.0)
    if total is None or done >= total or done - first < TIMED:
        return ""
    return f"{(time.monotonic() - begun) / (done - first) * (total - done):.0f} s left"


def _rich_bars(unit: str) -> "Progress":
    from rich import progress

    first = progress.TextColumn("  {task.description}")
    text = progress.TextColumn("{task.fields[text]}")
    bar, left = progress.BarColumn(), progress.TimeRemainingColumn()
    if unit == BYTES:
        sizes = progress.DownloadColumn(), progress.TransferSpeedColumn()
        return progress.Progress(first, text, bar, *sizes, left)
    return progress.Progress(first, progress.MofNCompleteColumn(), bar, text, left)


def size_text(count: float) -> str:
    """Return a number of bytes as a text such as ``12.3 MB``."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def span_text(seconds: float) -> str:
    """Return a time as a text such as ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def duration(seconds: float) -> str:
    """Format a duration in seconds as 40 s, 12 min, 3.4 h or 2.1 days."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
