"""The objective of a run at its evaluations, read from its record; larger is better.

Nothing here needs torch, because studies and finished runs ask, too.
"""

from typing import Any, Protocol

from siammae.evaluation.measuring.metric import of_quality

LOSS_STEPS = 100  # a run's training loss is the mean over so many last optimiser steps

Rows = list[dict[str, Any]]


class Pruned(Exception):
    """A study has stopped this run as hopeless, which is no error and gives no result."""


class Trial(Protocol):
    """The trial of a study for which a run is trained, as training sees it."""

    def report(self, values: dict[int, float]) -> None:
        """Pass the objective on, by the number of the evaluation from 1."""

    def is_hopeless(self) -> bool:
        """Return whether the study would stop the run where it stands."""


def evenly_spaced(steps: int, times: int) -> set[int]:
    """Return ``times`` steps that divide ``steps`` evenly, the last being the end."""
    return {round(steps * (i + 1) / times) for i in range(times)} - {0}


def intermediate_values(
    rows: Rows, steps: list[int], benchmark: str | None, quality: str
) -> dict[int, float]:
    """Return the objective at a run's evaluations, without those that the rows do not reach.

    Args:
        rows: the rows of ``metrics.jsonl``, in order.
        steps: the steps of the evaluations, ascending.
        benchmark: name of the benchmark whose metric it is; None: the training loss.
        quality: name of the metric, with a minus in front where less is better (``J&F-Mean``,
            ``-RMSE``, ``-train/loss``), see `Metric.quality`.

    Returns:
        The objective by the number of the evaluation, from 1. These are numbers, not steps, so that
        runs of different lengths are compared at the same share of their training.
    """
    metric, sign = of_quality(quality)
    if benchmark is None:
        values = {step: _mean_loss(rows, step) for step in steps}
    else:
        name = f"{benchmark}/{metric}"
        values = {row["step"]: row[name] for row in rows if name in row}
    found = {number: values.get(step) for number, step in enumerate(steps, start=1)}
    return {number: sign * value for number, value in found.items() if value is not None}


def _mean_loss(rows: Rows, step: int) -> float | None:
    """Return the mean loss of the last `LOSS_STEPS` steps up to ``step``.

    A row is the mean over the steps since the row before it, so it counts as many times as it has
    steps in that range.
    """
    total = weight = last = 0.0
    for row in rows:
        if "train/loss" not in row:
            continue
        overlap = min(row["step"], step) - max(last, step - LOSS_STEPS)
        if overlap > 0:
            total, weight = total + row["train/loss"] * overlap, weight + overlap
        last = row["step"]
    return total / weight if last >= step and weight else None
