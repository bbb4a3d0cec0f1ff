"""J and F of objects that are followed from a video's first frame, and how many objects that are.

A protocol that is given the first frame only cannot find what enters later. So the objects of the
first frame are measured, with DAVIS's formulas, and the others are counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.evaluation.scores.davis import (
    J_AND_F,
    METRICS,
    contour_accuracy,
    region_similarity,
    statistics,
)
from siammae.system.errors import DataError

Masks = Mapping[int, np.ndarray]
OF_TRACKS = (
    *J_AND_F,
    Metric("J&F-Visible", "more", SHARE, over_videos=OverVideos(("J-Visible", "F-Visible"))),
    # Of the videos, not of the encoder.
    Metric("coverage-objects", "neither", SHARE, over_videos=None),
    Metric("coverage-frames", "neither", SHARE, over_videos=None),
)


class Scene(NamedTuple):
    """One frame of a video with its true and predicted masks.

    truth: a mask (H, W) bool of each object that is visible; they may overlap.
    predicted: a mask (H, W) bool of each object that was predicted.
    ignored: pixels (H, W) bool whose object is not known; None when there are none.
    """

    truth: Masks
    predicted: Masks
    ignored: np.ndarray | None = None


@dataclass
class _Track:
    """J and F of an object in each frame after the first, and where it is visible."""

    visible: list[bool] = field(default_factory=list)
    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)


def track_rows(video: str, scenes: Iterable[Scene]) -> list[dict[str, Any]]:
    """Return a row for each object of a video; with J and F when the first frame shows it.

    J and F as in DAVIS: pixels to ignore are background in both masks, and a frame where neither
    mask has the object counts 1. The first frame, which was given, is left out; the last, unlike
    in DAVIS, is not. ``J-Visible`` and ``F-Visible`` are means over the frames where the object
    truly is: where videos are long and objects leave soon, the other figures mostly say whether
    a label vanishes with its object.

    Args:
        video: its name.
        scenes: its frames, the first included.

    Returns:
        Rows of ``video``, ``object``, ``frames`` (how many show the object), ``covered`` (1 or 0)
        and, when covered, `METRICS` and the figures of visible frames, if there are any.

    Raises:
        DataError: when masks differ in size, or only one frame is given.
    """
    frames: dict[int, int] = {}
    tracks: dict[int, _Track] = {}
    for t, scene in enumerate(scenes):
        for number, mask in scene.truth.items():
            if mask.any():
                frames[number] = frames.get(number, 0) + 1
        if t == 0:
            tracks = {number: _Track() for number in frames}
            continue
        for number, track in tracks.items():
            _add(video, track, scene, number)
    rows = []
    for number, count in sorted(frames.items()):
        row = {"video": video, "object": number, "frames": count, "covered": int(number in tracks)}
        rows.append(row | (_figures(video, tracks[number]) if number in tracks else {}))
    return rows


def track_total(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return means over covered objects, and how much of all objects they are.

    ``coverage-objects`` is the share of objects that are in their video's first frame,
    ``coverage-frames`` the share of the frames in which objects are visible that are of those.

    Raises:
        DataError: when no object is in a first frame.
    """
    rows = [row for row in rows if "covered" in row]
    covered = [row for row in rows if row["covered"]]
    if not covered:
        raise DataError("no object is in the first frame of its video: there is nothing to follow")
    means = {key: float(np.mean([row[key] for row in covered])) for key in METRICS}
    visible = [(row["J-Visible"], row["F-Visible"]) for row in covered if "J-Visible" in row]
    return {
        "J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2,
        **means,
        **({"J&F-Visible": float(np.mean(visible))} if visible else {}),
        "coverage-objects": len(covered) / len(rows),
        "coverage-frames": sum(row["frames"] for row in covered) / sum(r["frames"] for r in rows),
    }


def _add(video: str, track: _Track, scene: Scene, number: int) -> None:
    """Add one more frame to a track."""
    true, guess = scene.truth.get(number), scene.predicted.get(number)
    known = [mask.shape for mask in (true, scene.ignored) if mask is not None]
    if guess is not None and known and guess.shape != known[0]:
        raise DataError(
            f"{video}: a predicted mask is {guess.shape} (height, width), the true one {known[0]}"
        )
    shown = true is not None and bool(true.any())
    if scene.ignored is not None:
        true, guess = (m if m is None else m & ~scene.ignored for m in (true, guess))
    present = [mask for mask in (true, guess) if mask is not None and mask.any()]
    track.visible.append(shown)
    if not present:
        track.j.append(1.0)
        track.f.append(1.0)
        return
    empty = np.zeros_like(present[0])
    true, guess = (empty if m is None else m for m in (true, guess))
    track.j.append(float(region_similarity(true[None], guess[None])[0]))
    track.f.append(float(contour_accuracy(true[None], guess[None])[0]))


def _figures(video: str, track: _Track) -> dict[str, float]:
    if not track.j:
        raise DataError(f"{video} has one frame; after the first none is left")
    j, f, visible = np.array(track.j), np.array(track.f), np.array(track.visible)
    figures = dict(zip(METRICS, (*statistics(j), *statistics(f)), strict=True))
    if visible.any():
        figures |= {"J-Visible": float(j[visible].mean()), "F-Visible": float(f[visible].mean())}
    return figures
