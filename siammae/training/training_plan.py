"""What is planned for a run, in optimiser steps."""

from dataclasses import dataclass

import numpy as np

from siammae.config.schema import TrainConfig
from siammae.training.intermediate import evenly_spaced


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. Steps are optimiser steps.

    Attributes:
        steps, warmup: length of the training and of its linear warm-up.
        batch_size: pairs in an optimiser step, over all processes and parts.
        accumulate: parts in which each process computes its share of a step.
        peak_lr: learning rate at the end of the warm-up.
        clip: largest norm of the gradient; None does not clip.
        seed: of all randomness.
        clips: number of clips.
        max_broken: largest share of them that may be unreadable.
        precision: ``fp32`` or ``bf16``.
        log_every, checkpoint_every: steps between two rows of metrics, two checkpoints.
        pictures, evaluations: how many are made, evenly spaced, the last at the end.
    """

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

    def evenly_spaced(self, times: int) -> set[int]:
        """Return ``times`` steps that divide the run evenly, the last being its end."""
        return evenly_spaced(self.steps, times)

    def saves_at(self, step: int) -> bool:
        """Return whether a checkpoint is due after ``step``."""
        return step % self.checkpoint_every == 0 or step == self.steps


def make_plan(settings: TrainConfig, clips: int, max_broken: float, precision: str) -> Plan:
    """Compute a run's lengths in steps and its learning rate from its settings."""
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
        max_broken=max_broken,
        precision=precision,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        pictures=settings.pictures,
        evaluations=settings.schedule.evaluations,
    )


def step_seed(seed: int, step: int, *others: int) -> int:
    """Return the seed of all randomness on the device in one step.

    It is a function of (seed, step), so that a resumed run needs no stored generator state.
    """
    return int(np.random.SeedSequence([seed, step, *others]).generate_state(1, np.uint64)[0] >> 1)
