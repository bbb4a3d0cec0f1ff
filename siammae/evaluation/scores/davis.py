"""The semi-supervised score of DAVIS over sequences and objects."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from siammae.evaluation.files.davis import VOID
from siammae.evaluation.scores.metrics import contour_accuracy, region_similarity, statistics
from siammae.system.errors import DataError

METRICS = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")


def score_sequence(name: str, truth: np.ndarray, predicted: np.ndarray) -> list[dict[str, Any]]:
    """A row for each object of a sequence.

    As the official tool: objects are the ids up to the largest in the first true mask; void counts
    as background; the first frame, which was given, and the last are left out; an object that the
    prediction lacks is scored as empty.

    Args:
        name: of the sequence.
        truth: true ids (T, H, W).
        predicted: predicted ids (T, H, W).

    Raises:
        DataError: when sizes differ, there are fewer than three frames, no object, or an id that
            the first true mask does not have.
    """
    if truth.shape != predicted.shape:
        raise DataError(
            f"{name}: predicted masks are {predicted.shape} (frames, height, width), the true ones "
            f"{truth.shape}"
        )
    if len(truth) < 3:
        raise DataError(f"{name} has {len(truth)} frames; without first and last none is left")
    void = truth == VOID
    truth = np.where(void, 0, truth)
    objects = int(truth[0].max())
    if objects == 0:
        hint = " but void (255); are these masks of 2016?" if void[0].any() else ""
        raise DataError(f"{name}: its first true mask holds no object{hint}")
    extra = int(predicted[1:-1].max())
    if extra > objects:
        raise DataError(f"{name}: predicted id {extra}, but its objects are 1 to {objects}")
    rows = []
    for number in range(1, objects + 1):
        true, guess = truth[1:-1] == number, predicted[1:-1] == number
        j, f = statistics(region_similarity(true, guess)), statistics(contour_accuracy(true, guess))
        rows.append(
            {
                "sequence": name,
                "object": number,
                "J&F-Mean": (j.mean + f.mean) / 2,
                **dict(zip(METRICS, (*j, *f), strict=True)),
            }
        )
    return rows


def total(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Means over objects, and J&F-Mean, the mean of J-Mean and F-Mean."""
    rows = list(rows)
    means = {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}
