"""Estimates what runs cost from finished ones: seconds, disk, and the device of the measurement."""

from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

from siammae.config.essential import essential
from siammae.system.atomic_files import folder_bytes
from siammae.system.errors import DataError
from siammae.tracking.record import RunRecord

# What decides the speed of a step, in three shares: with fewer equal the estimate is rougher.
ALIKE = {
    "the same settings": [
        "method", "encoder", "decoder", "encoding", "masking", "mask_ratio", "image_size",
        "batch_size", "accumulate", "augment", "rotation", "targets", "uncertainty", "data",
        "benchmark",
    ],
    "the same model and batch": [
        "method", "encoder", "decoder", "encoding", "image_size", "batch_size", "targets",
    ],
    "the same encoder": ["encoder", "image_size"],
}  # fmt: skip
FREE_OF_TARGETS = ("gap", "gap_unit", "direction", "spacing", "loss_gap_power")


@dataclass(frozen=True)
class Cost:
    """The cost of one run.

    seconds: on the device. bytes: on disk. device: where it was measured. basis: what it is from.
    """

    seconds: float
    bytes: int
    device: str
    basis: str

    @property
    def gpu_hours(self) -> float:
        """Return the GPU hours, which are 0 on a CPU."""
        return 0.0 if self.device == "cpu" else self.seconds / 3600


@dataclass(frozen=True)
class Sample:
    """A finished run to estimate from: its settings, and what it took."""

    config: dict[str, Any]
    per_pair: float
    overhead: float
    bytes: int
    device: str


def samples(runs: list[RunRecord]) -> list[Sample]:
    """Return the finished runs whose speed is recorded; a damaged one is no help and no harm."""
    found = []
    for run in runs:
        with suppress(DataError):
            summary = run.summary()
            speed, seconds = summary.get("pairs_per_second") or 0.0, summary.get("seconds")
            if run.is_finished() and speed > 0 and seconds is not None:
                overhead = max(0.0, (summary.get("wall_seconds") or 0.0) - seconds)
                device = str(run.provenance().get("device") or "cpu")
                size = folder_bytes(run.folder)
                found.append(Sample(essential(run.config()), 1 / speed, overhead, size, device))
    return found


def estimate(config: dict[str, Any], steps: int, known: list[Sample]) -> Cost | None:
    """Estimate the seconds of ``steps`` optimiser steps and the measuring after them, None if
    unknown.

    Args:
        config: resolved.
        steps: that are still to be done.
        known: finished runs.
    """
    wanted = essential(config)
    for basis, keys in ALIKE.items():
        like = [one for one in known if all(_same(one.config, wanted, key) for key in keys)]
        if like:
            device = max((one.device for one in like), key=[one.device for one in like].count)
            like = [one for one in like if one.device == device]
            seconds = steps * config["batch_size"] * median(one.per_pair for one in like)
            seconds += median(one.overhead for one in like)
            size = int(median(one.bytes for one in like))
            return Cost(seconds, size, device, f"{len(like)} finished with {basis}")
    return None


def _same(one: dict[str, Any], other: dict[str, Any], key: str) -> bool:
    """Whether two runs agree in a group; which frames are read makes no difference to the cost."""
    left, right = one.get(key), other.get(key)
    if key == "targets" and isinstance(left, dict) and isinstance(right, dict):
        left, right = (
            {k: v for k, v in part.items() if k not in FREE_OF_TARGETS} for part in (left, right)
        )
    return left == right
