"""Counting intersection over union of semantic classes over all frames of all videos.

The sums of intersections and unions are all that a global confusion matrix is needed for, and they
can be kept for each video: tables resample videos from them.
"""

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.system.errors import DataError

MIOU = Metric(
    "mIoU",
    "more",
    SHARE,
    over_videos=OverVideos(("intersection",), whole="union", group="class"),
)


def class_rows(
    video: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    ignore: Collection[int] = (),
) -> list[dict[str, Any]]:
    """Return a row for each class in the truth or the prediction, in the order of ids.

    Pixels whose true id is ignored, or none of 0 to ``classes - 1``, do not count. Predicting such
    an id elsewhere is wrong, and adds to no class but the true one.

    Args:
        video: its name.
        truth: true ids (T, H, W), or of any one shape.
        predicted: predicted ids, of the same shape.
        classes: how many.
        ignore: ids below ``classes`` that do not count.

    Returns:
        Rows of ``video``, ``class``, ``intersection`` and ``union``, both in pixels.

    Raises:
        DataError: when the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise DataError(
            f"{video}: predicted ids are {predicted.shape} (frames, height, width), the true ones "
            f"{truth.shape}"
        )
    counted = [number for number in range(classes) if number not in ignore]
    valid = np.isin(truth, counted)
    true, guess = truth[valid].astype(np.int64), predicted[valid].astype(np.int64)
    guess = np.where((guess >= 0) & (guess < classes), guess, classes)  # one bin for all others
    both = np.bincount(true[true == guess], minlength=classes + 1)
    either = np.bincount(true, minlength=classes + 1) + np.bincount(guess, minlength=classes + 1)
    either -= both
    return [
        {
            "video": video,
            "class": number,
            "intersection": int(both[number]),
            "union": int(either[number]),
        }
        for number in counted
        if either[number] > 0
    ]


def mean_iou(rows: Iterable[dict[str, Any]]) -> tuple[float, dict[int, float]]:
    """Return the mean over classes that occur (0 to 1, NaN when none does), and each IoU.

    A class's IoU is its summed intersection over its summed union, so long videos and large parts
    weigh more: the customary mIoU of VIP and VSPW.

    Args:
        rows: of `class_rows`, of any number of videos.
    """
    intersections: dict[int, int] = {}
    unions: dict[int, int] = {}
    for row in rows:
        number = row["class"]
        intersections[number] = intersections.get(number, 0) + row["intersection"]
        unions[number] = unions.get(number, 0) + row["union"]
    shares = {number: intersections[number] / unions[number] for number in sorted(unions)}
    return (sum(shares.values()) / len(shares) if shares else math.nan), shares
