"""How far a run has come, what could not be read on its way, and its summary."""

from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from siammae.data.sampling.batch import PairBatch
from siammae.system.errors import DataError
from siammae.tracking.record import RunRecord
from siammae.training.distributed import Team
from siammae.training.training_plan import Plan

WINDOW_ONLY = ("train/loss", "train/lr")  # of which the last row says nothing of the whole run


@dataclass
class Progress:
    """What a checkpoint holds beside weights; the pairs seen follow from the step.

    Attributes:
        step: optimiser steps done.
        short_gap_pairs: pairs whose gap is smaller than drawn, because the clip is short.
        broken: clips that could not be read, with the reason.
        seconds: time of the training, without evaluations and pictures.
        waited: those of the seconds in which rank 0 waited for a batch.
        best: the best objective so far.
        losses: of the last 100 steps, or of as many as there were. Their mean is the training loss
            that a run reports: it does not depend on how often a run logs, saves or draws, and is
            the same after a resume. Old checkpoints have none.
    """

    step: int = 0
    short_gap_pairs: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    waited: float = 0.0
    best: float | None = None
    losses: list[float] = field(default_factory=list)

    @property
    def wait_share(self) -> float:
        """The share of the training's time that was spent waiting for clips."""
        return self.waited / max(self.seconds, 1e-9)


@dataclass
class ReadingFaults:
    """What the batches lack that this process has read since the last `settle`.

    Attributes:
        short: pairs whose gap is smaller than drawn.
        broken: clips that could not be read, with the reason.
    """

    short: int = 0
    broken: dict[str, str] = field(default_factory=dict)

    def add(self, batch: PairBatch) -> None:
        """Add what a batch lacks."""
        self.short += batch.short
        self.broken.update(batch.broken)

    def settle(self, progress: Progress, plan: Plan, team: Team, stop: bool) -> bool:
        """Add the faults of all processes to the run's progress, and start again from none.

        Returns:
            Whether ``stop`` is true in any process, which is asked in the same exchange.

        Raises:
            DataError: in every process, when more than ``plan.max_broken`` of the clips are broken.
        """
        mine, self.broken = self.broken, {}
        short, new, stops = team.sum([self.short, len(mine), stop])
        progress.short_gap_pairs += short
        self.short = 0
        if new:
            by_process = team.gather(mine)
            with team.raise_in_all():
                found = {clip: why for broken in by_process for clip, why in broken.items()}
                _add_broken(found, progress.broken, plan)
        return stops > 0


def _add_broken(found: dict[str, str], broken: dict[str, str], plan: Plan) -> None:
    broken.update(found)
    for why in found.values():
        print(f"warning: skipped a clip: {why}", flush=True)
    if len(broken) > plan.max_broken * plan.clips:
        raise DataError(
            f"{len(broken)} of {plan.clips} clips cannot be read, more than data.max_broken="
            f"{plan.max_broken} allows: " + "; ".join(list(broken.values())[:5])
        )


def summarise_metrics(record: RunRecord, progress: Progress) -> dict[str, float]:
    """Return ``train/loss`` and the other metrics of the training for a run's summary.

    The loss is the mean over the last 100 optimiser steps, or over all when there were fewer. The
    others have the value of the last row of metrics, the mean over one logging window.

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
    others = {k: v for k, v in last.items() if k.startswith("train/") and k not in WINDOW_ONLY}
    return {"train/loss": fmean(losses), **others}


def summarise_costs(plan: Plan, progress: Progress, fingerprint: str | None) -> dict[str, Any]:
    """Return steps, pairs, seconds and clips for a run's summary; warn of gaps cut short."""
    pairs = plan.steps * plan.batch_size
    if short := progress.short_gap_pairs:
        print(
            f"warning: {short} of {pairs} pairs had a smaller gap than drawn: clips are too short "
            "for frame_gap or targets.stride",
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
            "wait_share": progress.wait_share,
            "fingerprint": fingerprint,
        },
    }
