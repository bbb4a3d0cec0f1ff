"""Metrics as tables name them and as people type them."""

import re
from collections.abc import Iterable

TRAINING = "train/"  # in front of what is logged in training: no shares
LOSS = "train/loss"
JF = "J&F-Mean"
PIXELS = "(px)"  # how names of metrics end that are no shares
CALIBRATION = "calibration/"  # in front of its metrics, as a part of a suite
# Of benchmark=calibration, no percentages, also with -scaled behind; what to wish of them.
LARGER = ("log-likelihood", "AURG", "correlation")
SMALLER = ("ECE", "AUSE", "MSE")
NEITHER = ("sharpness", "z2", "temperature")
# Anywhere in the names of other metrics.
SMALLER_IS_BETTER = ("Decay", "EPE", "lost")
NO_MERIT = ("in-window", "coverage")  # of the videos, not of the encoder


def head(metric: str) -> str:
    """A metric's name in a table: J&F for J&F-Mean, loss for train/loss, ECE of a suite's."""
    if metric == LOSS:
        return "loss"
    return metric.removesuffix("-Mean").removeprefix(CALIBRATION)


def scale(metric: str) -> tuple[int, int]:
    """Factor and decimals of a metric's figures: shares in percent, losses and pixels as are."""
    if metric.startswith(TRAINING) or _of_calibration(metric) in (*LARGER, *SMALLER, *NEITHER):
        return 1, 3
    return (1, 2) if metric.endswith(PIXELS) or "EPE" in metric else (100, 1)


def merit(metric: str) -> int:
    """1 when a larger figure is better, -1 when a smaller is, 0 when neither."""
    name = _of_calibration(metric)
    told = metric.startswith((f"{TRAINING}gap", f"{TRAINING}sigma"))
    if told or name in NEITHER or any(part in metric for part in NO_MERIT):
        return 0
    smaller = (
        metric.startswith(TRAINING)
        or name in SMALLER
        or any(p in metric for p in SMALLER_IS_BETTER)
    )
    return -1 if smaller else 1


def shares(metrics: Iterable[str]) -> str:
    """In which unit the figures of these metrics stand, for captions."""
    others = [head(metric) for metric in metrics if metric != LOSS and scale(metric)[0] == 1]
    return "in percent" + (f", but for {', '.join(others)}" if others else "")


def _of_calibration(metric: str) -> str:
    """The plain name that a metric of calibration would have."""
    return metric.rpartition("/")[2].removesuffix("-scaled")


def shown(metric: str, value: float, sign: bool = False) -> str:
    """A figure in the table's unit."""
    factor, digits = scale(metric)
    return f"{value * factor:{'+' if sign else ''}.{digits}f}"


def same_elsewhere(metrics: list[str]) -> list[str]:
    """The first metric, and those of the rest that are the same on another part of a suite."""
    name = metrics[0].rpartition("/")[2]
    return [metric for metric in metrics if metric.rpartition("/")[2] == name]


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
