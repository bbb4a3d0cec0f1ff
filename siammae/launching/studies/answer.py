"""What a finished run tells whoever sweeps: its objective, and its cost to a study of both."""

import json

from omegaconf import DictConfig

from siammae.launching.studies.trial import RunningTrial
from siammae.tracking.record import RunRecord, write_atomic
from siammae.training.cadence import spread
from siammae.training.intermediate import intermediate_values

Answer = float | tuple[float, float]


def answer(config: DictConfig, record: RunRecord, trial: RunningTrial | None) -> Answer:
    """The objective of a finished run, or quality and cost for a study of two objectives.

    The trial, if any, gets the values that the run had on its way, whenever it was trained.
    """
    objective = record.summary()["objective"]
    quality = float(objective["value"])
    if trial is None:
        return quality
    of, metric = objective["benchmark"], objective["metric"]
    trial.describe(run=record.signature, quality=f"{metric} on {of}" if of else metric)
    evaluations = config.schedule.evaluations
    steps = sorted(spread(record.summary()["steps"], evaluations))
    way = intermediate_values(record.metrics(), steps, f"{of}/{metric}" if of else None)
    trial.report({**way, len(steps): quality})
    return quality if trial.objectives == 1 else (quality, cost(config, record))


def cost(config: DictConfig, record: RunRecord) -> float:
    """GFLOPs of a training pair, kept in ``cost.json`` of the run so that it is counted once."""
    path = record.folder / "cost.json"
    try:
        return float(json.loads(path.read_text())["gflops_per_pair"])
    except (OSError, ValueError, KeyError):
        from siammae.assembly.flops import gflops_per_pair

        counted = gflops_per_pair(config)
        write_atomic(path, json.dumps({"gflops_per_pair": counted}))
        return counted
