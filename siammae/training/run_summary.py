"""What a run's summary says of its training."""

from statistics import fmean
from typing import Any

from siammae.system.errors import DataError
from siammae.tracking.record import RunRecord
from siammae.training.input_wait import share
from siammae.training.training_plan import Plan, Progress

ROWS_ONLY = ("train/loss", "train/lr")  # of which a last window says nothing of the whole run


def trained(record: RunRecord, progress: Progress) -> dict[str, float]:
    """``train/loss`` and what the model tells beside it.

    The loss is the mean of the last 100 optimiser steps, or of all when there were fewer; in the
    rows of metrics it is the mean of a logging window. The others have their last window's value.

    Raises:
        DataError: when neither rows nor checkpoint hold a loss.
    """
    rows = [row for row in record.metrics() if "train/loss" in row]
    last = rows[-1] if rows else {}
    # A checkpoint of before losses were kept has none.
    losses = progress.losses or [row["train/loss"] for row in rows[-1:]]
    if not losses:
        raise DataError(
            f"{record.folder}: neither metrics.jsonl nor the checkpoint holds a loss; "
            "rerun=true trains the run anew"
        )
    beside = {k: v for k, v in last.items() if k.startswith("train/") and k not in ROWS_ONLY}
    return {"train/loss": fmean(losses), **beside}


def spent(plan: Plan, progress: Progress, fingerprint: str | None) -> dict[str, Any]:
    """Steps, pairs, seconds and clips; warns of gaps that clips were too short for."""
    pairs = plan.steps * plan.batch_size
    if short := progress.short_gap_pairs:
        print(
            f"warning: {short} of {pairs} pairs had a smaller gap than drawn: clips are too short "
            "for frame_gap",
            flush=True,
        )
    return {
        "steps": plan.steps,
        "pairs_seen": pairs,
        "seconds": progress.seconds,
        "pairs_per_second": pairs / max(progress.seconds, 1e-9),
        "data": {
            "clips": plan.clips,
            "broken": progress.broken,
            "short_gap_pairs": short,
            "wait_share": share(progress),
            "fingerprint": fingerprint,
        },
    }
