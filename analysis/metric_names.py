"""Metrics as tables name them and as people type them."""

import re
from collections.abc import Iterable

LOSS = "train/loss"
JF = "J&F-Mean"
PIXELS = "(px)"  # how names of metrics end that are no shares


def head(metric: str) -> str:
    """A metric's name in a table: J&F for J&F-Mean, loss for train/loss."""
    return "loss" if metric == LOSS else metric.removesuffix("-Mean")


def scale(metric: str) -> tuple[int, int]:
    """Factor and decimals of a metric's figures: shares in percent, losses and pixels as are."""
    if metric == LOSS:
        return 1, 3
    return (1, 2) if metric.endswith(PIXELS) else (100, 1)


def shown(metric: str, value: float, sign: bool = False) -> str:
    """A figure in the table's unit."""
    factor, digits = scale(metric)
    return f"{value * factor:{'+' if sign else ''}.{digits}f}"


def plain(name: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


def find_metric(name: str, metrics: Iterable[str]) -> str | None:
    """The metric that is meant by its name or a short one: jf, j, f, miou, pck1, loss.

    None when there is none, or several.
    """
    metrics = list(metrics)
    if name in metrics:
        return name
    found = [metric for metric in metrics if plain(name) in _aliases(metric)]
    if not found:  # of a suite, without the benchmark
        found = [m for m in metrics if "/" in m and plain(name) in _aliases(m.partition("/")[2])]
    return found[0] if len(found) == 1 else None


def _aliases(metric: str) -> set[str]:
    short = head(metric)
    return {plain(metric), plain(short), plain(short.replace("0.", ""))}
