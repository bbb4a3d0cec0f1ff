"""A run's figure as a sum over videos: what pairing over videos needs.

Every metric of ours is a mean over groups of a ratio of sums over videos: J and F have one group,
a value and a count for each object; mIoU has a group for each class, intersection and union; PCK
one for each joint, hits and frames; the calibration error has one for each level of its quantiles.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from siammae.evaluation.scores.calibration import LEVELS

Row = dict[str, Any]
Part = tuple[Any, float, float]  # group, what is summed, what it is divided by
WHOLE = "all"  # the one group of metrics without groups
VIDEO = ("sequence", "clip", "video", "pair")  # how benchmarks call what they are measured on


@dataclass(frozen=True)
class VideoFigures:
    """Of one run and metric.

    videos: names, V of them. parts, wholes: (V, G); the figure is the mean over the G groups of
    ``parts.sum(0) / wholes.sum(0)``.
    """

    videos: tuple[str, ...]
    parts: np.ndarray
    wholes: np.ndarray

    def figure(self, counts: np.ndarray | None = None) -> np.ndarray:
        """The figure, or those (B,) of samples that hold each video ``counts`` (B, V) times."""
        counts = np.ones(len(self.videos)) if counts is None else counts
        parts, wholes = counts @ self.parts, counts @ self.wholes
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(wholes > 0, parts / wholes, np.nan)
        return np.nanmean(shares, axis=-1)

    def contributions(self) -> np.ndarray:
        """What each video (V,) adds, first order in its weight; their mean is the figure.

        This is Taylor's linearisation of a ratio from survey statistics. Where all videos weigh the
        same it is the video's own figure.
        """
        wholes = self.wholes.sum(axis=0)
        kept = wholes > 0
        parts, wholes = self.parts[:, kept], wholes[kept]
        ratios = parts.sum(axis=0) / wholes
        rest = (parts - ratios * self.wholes[:, kept]) / wholes
        return ratios.mean() + len(self.videos) * rest.mean(axis=1)

    def only(self, videos: Iterable[str]) -> "VideoFigures":
        """Of some videos, in their order."""
        names = tuple(videos)
        kept = [self.videos.index(name) for name in names]
        return VideoFigures(names, self.parts[kept], self.wholes[kept])


def by_video(
    rows: list[Row], units: tuple[str, ...], metric: str, figure: float
) -> VideoFigures | None:
    """Take a benchmark's figure apart.

    Args:
        rows: for each object (class, joint) of each video, as `BenchmarkResult.per_object`.
        units: the columns that say what a row is of.
        metric: as in the summary; of a suite with the benchmark in front.
        figure: what the summary says, which the videos have to give again.

    Returns:
        None when the rows do not give the figure, as for metrics that are no such sum.
    """
    if units and units[0] == "benchmark":
        part, _, metric = metric.partition("/")
        rows = [row for row in rows if row.get("benchmark") == part]
        units = units[1:]
    for way in (_by_group, _by_level, _weighted, _plain):
        taken = list(way(rows, metric))
        if not taken:
            continue
        figures = _gathered((_video(row, units), *part) for row, part in taken)
        if math.isclose(float(figures.figure()), figure, rel_tol=1e-6, abs_tol=1e-9):
            return figures
    return None


def _video(row: Row, units: tuple[str, ...]) -> str:
    """The name of a row's video; a suite has the units of all its parts."""
    named = [unit for unit in units if unit in VIDEO and unit in row]
    return str(row[named[0] if named else units[0]])


def _by_group(rows: list[Row], metric: str) -> Iterator[tuple[Row, Part]]:
    """Classes by intersection over union, joints by hits over frames."""
    if metric.endswith("mIoU"):
        probe = metric.removesuffix("mIoU")
        group, part, whole = "class", f"{probe}intersection", f"{probe}union"
    elif metric.startswith("PCK"):
        group, part = "joint", metric.replace("PCK", "hits", 1)
        whole = "found" if metric.endswith("-customary") else "frames"
    else:
        return
    for row in rows:
        if row.get(group) is not None and part in row and whole in row:
            yield row, (row[group], row[part], row[whole])


def _by_level(rows: list[Row], metric: str) -> Iterator[tuple[Row, Part]]:
    """Absolute differences of shares and levels, their signs being those over all videos."""
    column = f"below{metric.removeprefix('ECE')}"
    if not metric.startswith("ECE") or any(column not in row for row in rows):
        return
    off = np.array([row[column] for row in rows]) - LEVELS  # (videos, levels)
    signs = np.sign(off.mean(axis=0))
    for row, parts in zip(rows, off * signs, strict=True):
        for level, part in zip(LEVELS, parts, strict=True):
            yield row, (float(level), float(part), 1)


def _weighted(rows: list[Row], metric: str) -> Iterator[tuple[Row, Part]]:
    """Means over patches or windows."""
    for row in rows:
        weight = row.get(f"{metric}-windows", row.get("patches"))
        if metric in row and weight is not None:
            yield row, (WHOLE, row[metric] * weight, weight)


def _plain(rows: list[Row], metric: str) -> Iterator[tuple[Row, Part]]:
    """Means over objects; J&F is that of J and F."""
    j, f = (metric.replace("J&F", name) for name in ("J", "F"))
    for row in rows:
        if metric in row:
            yield row, (WHOLE, row[metric], 1)
        elif j in row and f in row:
            yield row, (WHOLE, (row[j] + row[f]) / 2, 1)


def _gathered(taken: Iterable[tuple[str, Any, float, float]]) -> VideoFigures:
    """Sums by video and group."""
    sums: dict[str, dict[Any, list[float]]] = {}
    for video, group, part, whole in taken:
        kept = sums.setdefault(video, {}).setdefault(group, [0.0, 0.0])
        kept[0] += part
        kept[1] += whole
    groups = list(dict.fromkeys(group for video in sums.values() for group in video))
    table = np.array(
        [[video.get(group, (0.0, 0.0)) for group in groups] for video in sums.values()]
    )
    return VideoFigures(tuple(sums), table[..., 0], table[..., 1])
