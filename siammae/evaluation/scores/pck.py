"""Percentage of correct keypoints (PCK) on JHMDB's joints, as shares from 0 to 1."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from siammae.data.built_in.label_names import JOINTS
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.system.errors import DataError

THRESHOLDS = (0.1, 0.2)
WAYS = {"": "frames", "-customary": "found"}  # endings of metrics, and what their hits are out of
OF_JOINTS = (
    *(
        Metric(
            f"PCK@{threshold}{ending}",
            "more",
            SHARE,
            over_videos=OverVideos((f"hits@{threshold}{ending}",), whole=of, group="joint"),
        )
        for ending, of in WAYS.items()
        for threshold in THRESHOLDS
    ),
    Metric("lost", "less", SHARE, over_videos=None),
)
BOX = 0.6  # of the box's diagonal is the size of a person


def score_clip(name: str, truth: np.ndarray, predicted: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each joint of a clip, from its second frame on: the first is given.

    A joint is correct when its distance from the true one is at most a threshold times 0.6 of the
    diagonal of the box around the frame's true joints.

    - ``hits@A`` of ``frames``: a lost joint is wrong; the box is around all true joints.
    - ``hits@A-customary`` of ``found``: as in the published scripts, lost joints are left out, from
      the count and from the box too.
    - ``PCK@A``: ``hits@A / frames``.

    Args:
        name: of the clip.
        truth: x and y (2, 15, T) in pixels.
        predicted: the same; NaN where a joint is lost.

    Raises:
        DataError: when shapes differ, or there is one frame only.
    """
    if truth.shape != predicted.shape:
        raise DataError(f"{name}: predicted joints are {predicted.shape}, true ones {truth.shape}")
    truth, predicted = truth[:, :, 1:], predicted[:, :, 1:]
    frames = truth.shape[2]
    if frames == 0:
        raise DataError(f"{name} has one frame; a clip needs two")
    found = np.isfinite(predicted).all(axis=0)  # (15, T - 1)
    distance = np.where(found, np.linalg.norm(predicted - truth, axis=0), np.inf)
    strict = _normalised(distance, truth)
    customary = _normalised(distance, np.where(found, truth, np.nan))
    rows = []
    for joint, label in enumerate(JOINTS):
        row = {"clip": name, "joint": label, "frames": frames, "found": int(found[joint].sum())}
        for threshold in THRESHOLDS:
            row[f"hits@{threshold}"] = int((strict[joint] <= threshold).sum())
            row[f"hits@{threshold}-customary"] = int((customary[joint] <= threshold).sum())
        for threshold in THRESHOLDS:
            row[f"PCK@{threshold}"] = row[f"hits@{threshold}"] / frames
        rows.append(row)
    return rows


def _normalised(distance: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return distances (J, T) in sizes of the person, whose joints (2, J, T) may be NaN.

    A person of no extent has no correct joint: 0 / 0 is NaN, as in the published scripts.
    """
    counted = np.isfinite(truth)
    high = np.where(counted, truth, -np.inf).max(axis=1)
    low = np.where(counted, truth, np.inf).min(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return distance / (BOX * np.linalg.norm(high - low, axis=0))


def total(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return ``PCK@0.1`` and ``PCK@0.2``, strict and customary, and ``lost``, a share of joints.

    Each is the mean of the joints' shares over all frames of all clips. In the customary way a
    joint that is never found has no share and is left out; NaN when none is found.
    """
    rows = list(rows)
    by_joint = [[row for row in rows if row["joint"] == joint] for joint in JOINTS]
    figures = {}
    for ending, of in WAYS.items():
        for threshold in THRESHOLDS:
            key = f"@{threshold}{ending}"
            shares = [_share(joint, f"hits{key}", of) for joint in by_joint]
            kept = [share for share in shares if not math.isnan(share)]
            figures[f"PCK{key}"] = sum(kept) / len(kept) if kept else math.nan
    frames, found = (sum(row[key] for row in rows) for key in ("frames", "found"))
    return {**figures, "lost": 1 - found / frames}


def _share(rows: list[dict[str, Any]], part: str, of: str) -> float:
    whole = sum(row[of] for row in rows)
    return sum(row[part] for row in rows) / whole if whole else math.nan
