"""DAVIS's scores: region similarity J and contour accuracy F (Perazzi 2016, Pont-Tuset 2017).

The formulas of the official tool (davis2017-evaluation), whose semi-supervised task this follows.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from siammae.evaluation.files.davis import VOID
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.system.errors import DataError

METRICS = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
J_AND_F = (
    Metric("J&F-Mean", "more", SHARE, "J&F", over_videos=OverVideos(("J-Mean", "F-Mean"))),
    Metric("J-Mean", "more", SHARE, "J"),
    Metric("J-Recall", "more", SHARE, detail=True),
    Metric("J-Decay", "less", SHARE, detail=True),
    Metric("F-Mean", "more", SHARE, "F"),
    Metric("F-Recall", "more", SHARE, detail=True),
    Metric("F-Decay", "less", SHARE, detail=True),
)
BOUND = 0.008  # tolerance of contours, as a share of the image's diagonal


class Statistics(NamedTuple):
    """Mean, share above 0.5, and first minus last quarter of an object's values over frames."""

    mean: float
    recall: float
    decay: float


def region_similarity(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return J for each frame of masks (T, H, W) bool: their IoU; 1 if both are empty."""
    both = np.logical_and(truth, predicted).sum(axis=(1, 2))
    either = np.logical_or(truth, predicted).sum(axis=(1, 2))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def contour_accuracy(truth: np.ndarray, predicted: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Return F for each frame of masks (T, H, W) bool: F1 of contours within the tolerance.

    bound: the tolerance as a share of the image's diagonal, or, from 1 on, in pixels.
    """
    radius = math.ceil(bound * np.linalg.norm(truth.shape[1:])) if bound < 1 else int(bound)
    return np.array([_contour(t, p, radius) for t, p in zip(truth, predicted, strict=True)])


def statistics(values: np.ndarray) -> Statistics:
    """Return mean, recall and decay of values (T,), NaN left out.

    The formulas are those of the official ``db_statistics``.

    The official tool keeps the quarters' edges in 8 bits and so misplaces them in sequences of
    more than 256 frames; DAVIS has none, and here they are right.
    """
    if np.isnan(values).all():
        return Statistics(math.nan, math.nan, math.nan)
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[edges[0] : edges[1] + 1], values[edges[3] : edges[4] + 1]
    recall = float(np.nanmean(values > 0.5))
    return Statistics(float(np.nanmean(values)), recall, _mean(first) - _mean(last))


def _mean(values: np.ndarray) -> float:
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def _contour(truth: np.ndarray, predicted: np.ndarray, radius: int) -> float:
    """Return the F1 of two contours, each dilated by a disc before the comparison."""
    box = _common_box(truth, predicted)
    if box is None:
        return 1.0
    rows, columns = (
        slice(max(0, low - radius - 2), high + radius + 2)
        for low, high in zip(box[:2], box[2:], strict=True)
    )
    truth_edge = boundary(truth)[rows, columns]
    predicted_edge = boundary(predicted)[rows, columns]
    truths, predictions = truth_edge.sum(), predicted_edge.sum()
    if truths == 0 and predictions == 0:
        return 1.0
    if truths == 0 or predictions == 0:
        return 0.0  # precision 1 and recall 0, or the other way round
    precision = (predicted_edge & _dilate(truth_edge, radius)).sum() / predictions
    recall = (truth_edge & _dilate(predicted_edge, radius)).sum() / truths
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def boundary(mask: np.ndarray) -> np.ndarray:
    """Return the contour (H, W) bool, one pixel wide: pixels unlike the one right or below."""
    mask = mask.astype(bool)
    right, below, both = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1] = mask[:, 1:]
    below[:-1, :] = mask[1:, :]
    both[:-1, :-1] = mask[1:, 1:]
    edge = (mask ^ right) | (mask ^ below) | (mask ^ both)
    edge[-1, :] = mask[-1, :] ^ right[-1, :]
    edge[:, -1] = mask[:, -1] ^ below[:, -1]
    edge[-1, -1] = False
    return edge


def _common_box(one: np.ndarray, other: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return top, left, bottom, right of all in either mask; None when both are empty."""
    either = one | other
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    if len(rows) == 0:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _dilate(edge: np.ndarray, radius: int) -> np.ndarray:
    import cv2

    offsets = np.arange(-radius, radius + 1)
    disc = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2).astype(np.uint8)
    return cv2.dilate(edge.astype(np.uint8), disc).astype(bool)


def score_sequence(
    name: str, truth: np.ndarray, predicted: np.ndarray, numbers: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """Return a row for each object of a sequence.

    As the official tool: objects are the ids up to the largest in the first true mask; void counts
    as background; the first frame, which was given, and the last are left out; an object that the
    prediction lacks is scored as empty.

    Args:
        name: of the sequence.
        truth: true ids (T, H, W).
        predicted: predicted ids (T, H, W).
        numbers: ids of the objects to be scored; None: those of the official tool.

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
    for number in range(1, objects + 1) if numbers is None else numbers:
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
    """Return means over objects, and J&F-Mean, the mean of J-Mean and F-Mean."""
    rows = list(rows)
    means = {metric: float(np.mean([row[metric] for row in rows])) for metric in METRICS}
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}
