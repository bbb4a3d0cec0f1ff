"""Takes a run's figure apart into contributions of videos, which pairing over videos needs.

Such a figure is a mean over groups of a ratio of sums over videos, as its metric declares: J and F
have one group, a value and a count for each object; mIoU has a group for each class, intersection
and union; PCK one for each joint, hits and frames; the calibration error one for each level of its
quantiles.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from siammae.evaluation.measuring.metric import Metric, OverVideos

Row = dict[str, Any]
Part = tuple[str, Any, float, float]  # video, group, what is summed, what it is divided by
WHOLE = "all"  # the one group of metrics without groups


@dataclass(frozen=True)
class VideoFigures:
    """The figure of one run and metric, by video.

    videos: names, V of them. parts, wholes: (V, G); the figure is the mean over the G groups of
    ``parts.sum(0) / wholes.sum(0)``.
    """

    videos: tuple[str, ...]
    parts: np.ndarray
    wholes: np.ndarray

    def figure(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Return the figure, or those (B,) of samples that hold each video ``counts`` (B, V)
        times."""
        counts = np.ones(len(self.videos)) if counts is None else counts
        parts, wholes = counts @ self.parts, counts @ self.wholes
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(wholes > 0, parts / wholes, np.nan)
        return np.nanmean(shares, axis=-1)

    def contributions(self) -> np.ndarray:
        """Return what each video (V,) adds to first order in its weight; their mean is the figure.

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
        """Return the figures of the given videos, in that order."""
        names = tuple(videos)
        kept = [self.videos.index(name) for name in names]
        return VideoFigures(names, self.parts[kept], self.wholes[kept])


def by_video(rows: list[Row], metric: Metric, figure: float) -> VideoFigures | None:
    """Take a benchmark's figure apart, as the metric declares; see `OverVideos`.

    Args:
        rows: for each object (class, joint) of each video, as `BenchmarkResult.per_object`.
        metric: of the figure.
        figure: what the summary says, which the videos have to give again.

    Returns:
        None when the metric is no such sum, or the rows do not give the figure.
    """
    over = metric.over_videos
    if over is None:
        return None
    if over.part_of_suite:
        rows = [row for row in rows if row.get("benchmark") == over.part_of_suite]
    columns = over.columns or (metric.name,)
    needed = {*columns, over.video, *filter(None, (over.whole, over.weight, over.group))}
    rows = [row for row in rows if all(row.get(column) is not None for column in needed)]
    taken = list(_of_levels(rows, over) if over.levels else _of_rows(rows, columns, over))
    if not taken:
        return None
    figures = _gathered(taken)
    same = math.isclose(float(figures.figure()), figure, rel_tol=1e-6, abs_tol=1e-9)
    return figures if same else None


def _of_rows(rows: list[Row], columns: tuple[str, ...], over: OverVideos) -> Iterator[Part]:
    """Return each row's part and whole."""
    for row in rows:
        part = sum(row[column] for column in columns) / len(columns)
        weight = row[over.weight] if over.weight else 1
        whole = row[over.whole] if over.whole else weight
        group = row[over.group] if over.group else WHOLE
        yield str(row[over.video]), group, part * weight, whole


def _of_levels(rows: list[Row], over: OverVideos) -> Iterator[Part]:
    """Return the differences of shares and levels, with the signs that they have over all
    videos."""
    if not rows:
        return
    off = np.array([row[over.columns[0]] for row in rows]) - np.array(
        over.levels
    )  # (videos, levels)
    signs = np.sign(off.mean(axis=0))
    for row, parts in zip(rows, off * signs, strict=True):
        for level, part in zip(over.levels, parts, strict=True):
            yield str(row[over.video]), level, float(part), 1


def _gathered(taken: Iterable[Part]) -> VideoFigures:
    """Sum values by video and group."""
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
