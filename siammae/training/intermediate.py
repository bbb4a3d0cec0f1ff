"""The objective while a run trains, from its record, whether the run is under way or over.

All values here are qualities: larger is better. See `Metric.quality`.
"""

from typing import Any, Protocol

from siammae.evaluation.measuring.metric import of_quality
from siammae.training.cadence import LOSSES

Rows = list[dict[str, Any]]


class Pruned(Exception):
    """A study has stopped this run as hopeless: no error, and no result."""


class Trial(Protocol):
    """The trial of a study that a run is trained for, as training sees it."""

    def report(self, values: dict[int, float]) -> None:
        """Pass the objective on, by the number of the evaluation from 1."""

    def is_hopeless(self) -> bool:
        """Whether the study would stop the run where it stands."""


def intermediate_values(
    rows: Rows, steps: list[int], benchmark: str | None, quality: str
) -> dict[int, float]:
    """The objective at the evaluations of a run; those that the rows do not reach are left out.

    Args:
        rows: of ``metrics.jsonl``, in order.
        steps: of the evaluations, ascending.
        benchmark: whose metric it is; None: the training's, of which there is the loss alone.
        quality: the metric, with a minus in front where less is better (``J&F-Mean``, ``-RMSE``).

    Returns:
        Number of the evaluation, from 1, to the objective. Numbers, not steps, so that runs of
        unlike lengths are compared at the same share of their training.
    """
    metric, sign = of_quality(quality)
    if benchmark is None:
        values = {step: _loss(rows, step) for step in steps}
    else:
        name = f"{benchmark}/{metric}"
        values = {row["step"]: row[name] for row in rows if name in row}
    found = {number: values.get(step) for number, step in enumerate(steps, start=1)}
    return {number: sign * value for number, value in found.items() if value is not None}


def _loss(rows: Rows, step: int) -> float | None:
    """The mean loss of the last 100 steps up to ``step``.

    A row is the mean of the steps since the row before it, and weighs as many of them as are meant.
    """
    total = weight = last = 0.0
    for row in rows:
        if "train/loss" not in row:
            continue
        overlap = min(row["step"], step) - max(last, step - LOSSES)
        if overlap > 0:
            total, weight = total + row["train/loss"] * overlap, weight + overlap
        last = row["step"]
    return total / weight if last >= step and weight else None
