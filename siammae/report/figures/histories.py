"""Reads the histories of runs: figures over the pairs seen, and the time that training took."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from siammae.tracking.record import RunRecord

SPEED = "speed/pairs_per_second"


@dataclass(frozen=True)
class History:
    """The history of one run.

    rows: rows of metrics, each with ``step`` and ``pairs_seen``, in order.
    seconds: time of training without measuring; None when it is not known.
    device: where it was trained; speeds of two devices do not compare.
    """

    rows: list[dict[str, Any]]
    seconds: float | None
    device: str | None

    def curve(self, metric: str) -> tuple[list[float], list[float]]:
        """Return pairs seen and values of a metric, of the rows that have it.

        Training figures are means since the row before. One of few steps, as where two cadences
        meet, would stand out by chance: it is averaged with its neighbour.
        """
        pairs: list[float] = []
        values: list[float] = []
        for row in self.rows:
            seen, value = row.get("pairs_seen"), row.get(metric)
            # A row that repeats another or goes back to before it is damage.
            if seen is not None and value is not None and seen > (pairs[-1] if pairs else -1):
                pairs.append(float(seen))
                values.append(float(value))
        are_means = metric.startswith("train/") and metric != "train/lr"
        return _steadied(pairs, values) if are_means else (pairs, values)


def _steadied(pairs: list[float], values: list[float]) -> tuple[list[float], list[float]]:
    """Join means over less than half the usual span with the one before, each weighted by its span.

    The first, which has none before it, is joined with the one after it.
    """
    spans = [end - start for start, end in zip([0.0, *pairs], pairs, strict=False)]
    usual = median(spans) if spans else 0.0
    joined: list[tuple[float, float, float]] = []  # end, mean, span
    for end, value, span in zip(pairs, values, spans, strict=True):
        is_short = span < usual / 2 or (len(joined) == 1 and joined[0][2] < usual / 2)
        if joined and is_short:
            _, mean, before = joined.pop()
            value, span = (mean * before + value * span) / (before + span), before + span
        joined.append((end, value, span))
    return [end for end, _, _ in joined], [mean for _, mean, _ in joined]


def read_histories(runs_dir: Path, signatures: Iterable[str]) -> dict[str, History]:
    """Read histories by signature; a run whose folder is not here has an empty one."""
    return {name: _history(RunRecord(runs_dir / name)) for name in signatures}


def _history(record: RunRecord) -> History:
    rows, summary = record.metrics(), record.summary()
    device = record.provenance().get("device")
    return History(rows, _seconds(summary, rows), None if device is None else str(device))


def _seconds(summary: dict[str, Any], rows: list[dict[str, Any]]) -> float | None:
    """Return the seconds of training that the run noted, or else an estimate from pairs and
    speed."""
    if summary.get("seconds"):
        return float(summary["seconds"])
    speeds = [row[SPEED] for row in rows if (row.get(SPEED) or 0) > 0]
    seen = [row["pairs_seen"] for row in rows if row.get("pairs_seen")]
    return max(seen) / median(speeds) if speeds and seen else None
