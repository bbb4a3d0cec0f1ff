"""Metrics of the optimiser steps between two rows, and the time that the steps took."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from siammae.data.sampling.batch import PairBatch

Row = dict[str, float]
Read = TypeVar("Read")


class Window(NamedTuple):
    """What `StepMetrics` collected.

    Attributes:
        losses: of each step.
        means: of each metric over the steps.
        seconds: time since the window began.
        waited: those of the seconds in which the process waited for a batch.
    """

    losses: list[float]
    means: Row
    seconds: float
    waited: float


class StepMetrics:
    """Collects the metrics of several steps on the device, so that no step waits for values."""

    def __init__(self) -> None:
        self._steps: list[Tensor] = []
        self._names: list[str] = []
        self.restart_clock()

    def restart_clock(self) -> None:
        """Leave the time until now out of the window's."""
        self._clock, self._waited = time.perf_counter(), 0.0

    def next_batch(self, batches: Iterator[PairBatch]) -> PairBatch:
        """Return the next batch and add the time that it took to the waiting."""
        return self.wait_for(lambda: next(batches))

    def wait_for(self, reading: Callable[[], Read]) -> Read:
        """Return what ``reading`` returns and add the time that it took to the waiting."""
        before = time.perf_counter()
        read = reading()
        self._waited += time.perf_counter() - before
        return read

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Add one step's scalars, the loss first; their names are the same in every step."""
        self._names = list(metrics)
        self._steps.append(torch.stack([value.float() for value in metrics.values()]))

    def table(self) -> Tensor:
        """Return the metrics as one tensor on the device, (steps, metrics)."""
        return torch.stack(self._steps)

    def close(self, table: Tensor) -> Window:
        """Return the window and start a new one.

        Args:
            table: what `table` returned, averaged over the processes.
        """
        losses, means = table[:, 0].tolist(), table.mean(dim=0).tolist()
        start, waited = self._clock, self._waited
        self.restart_clock()
        self._steps = []
        named = dict(zip(self._names, means, strict=True))
        return Window(losses, named, self._clock - start, waited)
