"""Computes how many seeds tell two settings apart, from the spread of finished runs."""

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from math import ceil, sqrt
from typing import Any, NamedTuple

import numpy as np

from siammae.evaluation.declared_metrics import declared_in, of_our_benchmarks
from siammae.evaluation.measuring.metric import Metric, of_quality
from siammae.system.errors import DataError
from siammae.tracking.record import RunRecord
from siammae.tracking.signature import kind
from siammae.training.training_metrics import LOSS

POWER, ALPHA = 0.8, 0.05


class Named(NamedTuple):
    """A metric's name behind that of its benchmark, and its unit."""

    metric: str
    unit: str


@dataclass(frozen=True)
class Spread:
    """The spread of differences between two settings.

    metric: with the benchmark's name in front.
    unit: of the metric, see `Metric`; shares are from 0 to 1.
    deviation: standard deviation of a difference of two runs, in the metric's unit.
    degrees: of freedom that it was estimated with; differences of k settings hold those of k - 1.
    paired: whether it is of runs with the same seed; else sqrt(2) times that within settings.
    """

    metric: str
    unit: str
    deviation: float
    degrees: int
    paired: bool


def spread(runs: list[RunRecord], wanted: set[str]) -> Spread | None:
    """Return the spread over finished runs that share a metric and are settings of the same plan.

    Args:
        runs: all runs.
        wanted: signatures of the plan's runs.

    Returns:
        None when no setting has two seeds.
    """
    values: dict[str, dict[int, float]] = defaultdict(dict)
    metrics: dict[str, Named] = {}
    for run in runs:
        if run.signature not in wanted or not run.is_finished():
            continue
        with suppress(DataError, KeyError, TypeError):  # a damaged record tells nothing
            objective, config = run.summary()["objective"], run.config()
            benchmark = objective["benchmark"] or ""
            metric, setting = _decisive(run.summary()), kind(config)
            seed, value = config["seed"], float(objective["value"])
            values[setting][seed] = value
            metrics[setting] = Named(f"{benchmark} {metric}".strip(), metric.unit)
    if not metrics:
        return None
    named = max(set(metrics.values()), key=list(metrics.values()).count)
    repeated = [v for s, v in values.items() if metrics[s] == named and len(v) > 1]
    return _paired(named, repeated) or _within(named, repeated)


def _decisive(summary: dict[str, Any]) -> Metric:
    """Return the metric by which a run is judged."""
    name, _ = of_quality(summary["objective"]["metric"])
    if name == LOSS.name:
        return LOSS
    return declared_in(summary.get("benchmark") or {}).get(name) or of_our_benchmarks(name)


def _paired(metric: Named, settings: list[dict[int, float]]) -> Spread | None:
    """Return the spread of paired differences, pooled over all pairs of settings with common
    seeds."""
    squares, degrees = 0.0, 0
    for one, other in combinations(settings, 2):
        common = sorted(set(one) & set(other))
        if len(common) > 1:
            differences = np.array([one[seed] - other[seed] for seed in common])
            squares += float(((differences - differences.mean()) ** 2).sum())
            degrees += len(common) - 1
    if not degrees:
        return None
    free = max(1, round(2 * degrees / len(settings)))
    return Spread(*metric, sqrt(squares / degrees), free, True)


def _within(metric: Named, settings: list[dict[int, float]]) -> Spread | None:
    squares = sum(float(np.var(list(v.values())) * len(v)) for v in settings)
    degrees = sum(len(v) - 1 for v in settings)
    return Spread(*metric, sqrt(2 * squares / degrees), degrees, False) if degrees else None


def seeds_needed(difference: float, deviation: float) -> int:
    """Return the seeds per setting with which a paired t test finds a difference 4 times in 5.

    At a two-sided level of 5%, by statsmodels. At least 2, which a test needs.
    """
    from statsmodels.stats.power import TTestPower

    if deviation == 0:
        return 2
    power = TTestPower()
    effect = difference / deviation
    if power.power(effect, 2, ALPHA) >= POWER:  # the solver does not go below two
        return 2
    return max(2, ceil(power.solve_power(effect_size=effect, alpha=ALPHA, power=POWER) - 1e-9))
