"""Finds metrics by their names: what they mean, and which one a person means."""

import re
from collections.abc import Iterable, Mapping, Sequence

from siammae.evaluation.declared_metrics import of_our_benchmarks
from siammae.evaluation.measuring.metric import Metric, undeclared
from siammae.training.training_metrics import training_metric

JF = "J&F-Mean"
TRAINING = "train/"  # in front of the names of what training logs


def meaning(name: str, declared: Mapping[str, Metric]) -> Metric:
    """Return the declaration of a metric that a benchmark has measured, or that training logged."""
    if name.startswith(TRAINING):
        return training_metric(name)
    return declared.get(name) or undeclared(name)


def named(name: str) -> Metric:
    """Return the declaration of a metric that only the paper has a figure of."""
    return training_metric(name) if name.startswith(TRAINING) else of_our_benchmarks(name)


def same_elsewhere(metrics: Sequence[Metric]) -> list[Metric]:
    """Return the first metric, and its like on other parts of a suite."""
    name = metrics[0].name.rpartition("/")[2]
    return [metric for metric in metrics if metric.name.rpartition("/")[2] == name]


def plain(name: str) -> str:
    """Return the letters and digits of a name in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


def find_metric(name: str, metrics: Iterable[Metric]) -> Metric | None:
    """Return the metric that a name or a short name means: jf, j, f, miou, pck1, loss.

    None when there is none, or several.
    """
    metrics = list(metrics)
    for metric in metrics:
        if metric.name == name:
            return metric
    found = [metric for metric in metrics if plain(name) in _aliases(metric.name, metric.short)]
    if not found:  # of a suite, without the benchmark
        parts = [metric for metric in metrics if "/" in metric.name]
        found = [m for m in parts if plain(name) in _aliases(*map(_of_part, (m.name, m.short)))]
    return found[0] if len(found) == 1 else None


def _of_part(name: str) -> str:
    return name.partition("/")[2] if "/" in name else name


def _aliases(name: str, short: str) -> set[str]:
    short = short or name
    return {plain(name), plain(short), plain(short.replace("0.", ""))}
