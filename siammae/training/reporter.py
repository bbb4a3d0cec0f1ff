"""Where the rows, pictures and steps of a training go: record, tracker and display."""

from collections.abc import Iterator
from contextlib import contextmanager

from typing_extensions import override

from siammae.system.progress import ProgressDisplay
from siammae.tracking.record import RunRecord
from siammae.tracking.wandb import Tracker
from siammae.training.input_wait import WaitMonitor
from siammae.training.loop import Listener
from siammae.training.step_metrics import Row
from siammae.training.training_plan import Plan


class RunReporter(Listener):
    """Writes a training into its record and its tracker, and shows it on the screen.

    Args:
        record: of the run.
        tracker: a second place for rows and pictures, such as W&B.
        plan: of the run.
        monitor: watches the waiting for clips.
    """

    def __init__(self, record: RunRecord, tracker: Tracker, plan: Plan, monitor: WaitMonitor):
        self.record, self.tracker, self.plan, self.monitor = record, tracker, plan, monitor
        self._display: ProgressDisplay | None = None
        self._loss = ""  # the latest loss and speed, as they are displayed

    @contextmanager
    def display(self, mode: str, first: int) -> Iterator[None]:
        """Display the progress in this block, from step ``first`` on; see `ProgressDisplay`."""
        with ProgressDisplay("step", mode) as self._display:
            self._set_running(first)
            yield

    @override
    def row(self, row: Row) -> None:
        self.record.log_metrics(row)
        self.tracker.log_row(row)
        self.monitor.row(row)
        step = int(row["step"])
        if "train/loss" in row:
            speed = row["speed/pairs_per_second"]
            self._loss = f"loss {row['train/loss']:.4f}  {speed:,.0f} pairs/s"
            self.step(step)
        self._set_running(step)

    @override
    def picture(self, step: int, jpeg: bytes, name: str = "restored") -> None:
        path = self.record.write_picture(f"{name}-{step:08d}.jpg", jpeg)
        self.tracker.log_picture(f"media/{name}", path, step * self.plan.batch_size)

    @override
    def step(self, step: int) -> None:
        if self._display is not None:
            self._display.update(step, self.plan.steps, self._loss)

    def _set_running(self, step: int) -> None:
        self.record.set_state("running", step=step, steps=self.plan.steps)
