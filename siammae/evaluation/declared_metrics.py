"""What the metrics of a record mean: as the record declares it, or as former records meant it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from siammae.evaluation.measuring.metric import Metric, read_metric, undeclared
from siammae.system.errors import DataError


def declared_in(benchmark: Mapping[str, Any]) -> dict[str, Metric]:
    """The metrics of a benchmark's result, as a run or an evaluation keeps it, by name.

    Raises:
        DataError: when a name or a declaration is no metric's.
    """
    try:
        if "declared" in benchmark:
            return {stored["name"]: read_metric(stored) for stored in benchmark["declared"]}
        return {name: _former(name, benchmark) for name in benchmark.get("metrics", {})}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"its metrics are not those of a benchmark: {error}") from None


def of_our_benchmarks(name: str) -> Metric:
    """What a metric of this name means on a benchmark of ours; of another, `undeclared`.

    It is for what no record declares: figures of the paper that nobody has measured here.
    """
    part, _, alone = name.rpartition("/")
    if found := re.fullmatch(r"within-([\d.e+-]+)-px", alone):  # of any number of pixels
        alone = "within-16-px"
    metric, is_named = _built_in().get(alone, (undeclared(alone), True))
    if found:
        metric = replace(metric, name=found[0])
    return metric.in_suite(part, is_named) if part else metric


def metrics_of_our_benchmarks() -> list[Metric]:
    """All metrics that benchmarks of ours have, each once."""
    return [metric for metric, _ in _built_in().values()]


@cache
def _built_in() -> dict[str, tuple[Metric, bool]]:
    """Metrics of our benchmarks by name; no two of them mean different things by one name."""
    # Here, because they take a while to import, and newer records need none of them.
    from siammae.evaluation import (
        Calibration,
        Davis,
        Jhmdb,
        KittiStep,
        LinearParts,
        Uvo,
        Vip,
        Vspw,
    )
    from siammae.evaluation.benchmarks.kitti_flow import metrics_of_patches

    classes = (Davis, Vip, Jhmdb, Vspw, Uvo, KittiStep, LinearParts, Calibration)
    found = {m.name: (m, each.is_named_in_suites) for each in classes for m in each.metrics}
    return {**found, **{m.name: (m, True) for m in metrics_of_patches(16)}}


# -- records of before benchmarks declared their metrics: nothing else may use what follows --------

FORMER_VIDEO = ("sequence", "clip", "video", "pair")  # columns that named the video in their rows


def _former(name: str, benchmark: Mapping[str, Any]) -> Metric:
    """What a metric meant: all of them were of benchmarks of ours, whose names have not changed."""
    metric = of_our_benchmarks(name)
    part, rows = name.rpartition("/")[0], benchmark.get("per_object") or []
    row: dict[str, Any] = next((r for r in rows if not part or r.get("benchmark") == part), {})
    column = next((column for column in FORMER_VIDEO if column in row), "")
    if metric.over_videos is None or not column:
        return metric
    return replace(metric, over_videos=replace(metric.over_videos, video=column))
