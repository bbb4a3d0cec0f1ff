"""The numbers of a run: what is planned, and how far it has come."""

from dataclasses import dataclass, field

import numpy as np

from siammae.config.schema import TrainConfig
from siammae.training.cadence import spread


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. Steps are optimiser steps; ``batch_size`` is pairs in one of them."""

    steps: int
    warmup: int
    batch_size: int
    accumulate: int
    peak_lr: float
    clip: float | None
    seed: int
    clips: int
    max_broken: float
    precision: str
    log_every: int
    checkpoint_every: int
    pictures: int
    evaluations: int

    def spread(self, times: int) -> set[int]:
        """Steps that part the run evenly in ``times``, the last being its end."""
        return spread(self.steps, times)


def make_plan(settings: TrainConfig, clips: int, precision: str) -> Plan:
    """Lengths in steps, the learning rate by batch size, and the cadences."""
    steps, warmup = settings.schedule.in_steps(clips, settings.batch_size)
    return Plan(
        steps=steps,
        warmup=warmup,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        peak_lr=settings.optim.base_lr * settings.batch_size / 256,
        clip=settings.optim.clip,
        seed=settings.seed,
        clips=clips,
        max_broken=settings.data.max_broken,
        precision=precision,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        pictures=settings.pictures,
        evaluations=settings.schedule.evaluations,
    )


@dataclass
class Progress:
    """What a checkpoint holds beside weights; pairs seen follow from the step.

    ``waited`` are those of the ``seconds`` that went by without a batch, of rank 0.
    ``losses`` are of the last 100 steps, or of as many as there were. Their mean is the training
    loss that a run reports: it depends on no cadence of logging, checkpoints or pictures, and is
    the same after a resume. Checkpoints of before it was kept give none.
    """

    step: int = 0
    short_gap_pairs: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    waited: float = 0.0
    best: float | None = None
    losses: list[float] = field(default_factory=list)


def step_seed(seed: int, step: int, *others: int) -> int:
    """The seed of all randomness on the device in one step.

    A function of (seed, step), so that a resumed run needs no stored generator state.
    """
    return int(np.random.SeedSequence([seed, step, *others]).generate_state(1, np.uint64)[0] >> 1)
