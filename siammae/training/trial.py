"""A trainer that takes a few steps of a configuration and keeps nothing: for measuring."""

from functools import partial
from pathlib import Path

import torch

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.device import choose_precision
from siammae.assembly.identity import identify
from siammae.config.schema import TrainConfig
from siammae.data.sampling.loader import PairDataset
from siammae.training.compiled import trainable
from siammae.training.distributed import Team
from siammae.training.engines import make_engine
from siammae.training.loop import Listener, Trainer
from siammae.training.optim import adamw
from siammae.training.training_plan import make_plan

NOWHERE = Path("none")  # of checkpoints, of which none is written


def trial_trainer(
    settings: TrainConfig, device: torch.device, steps: int, team: Team | None = None
) -> tuple[Trainer, PairDataset]:
    """Return a trainer in training mode, and the clips that its batches would come from.

    There is no warm-up, and ``steps`` are the whole training, so that at its end everything that
    begins later has begun. Several processes are a ``team``. Built-in clips are made when they are
    missing.

    Raises:
        DataError: when the clips are not there.
    """
    found = identify(settings, None)
    settings, source = found.settings, found.source
    precision = choose_precision(settings.precision, device)
    team = team or Team()
    model = trainable(settings, device, precision, team.size).train()
    engine = make_engine(settings.parallel, model, team, partial(build_model, settings))
    source.prepare()
    targets, rotation, augment = map(settings.build, ("targets", "rotation", "augment"))
    labels = None if found.labels is None else found.labels.of_clips
    dataset = PairDataset(source, targets, rotation, augment, settings.seed, labels)
    plan = make_plan(settings, len(dataset.clips), source.max_broken, precision)
    plan = type(plan)(**{**vars(plan), "steps": steps, "warmup": 0})
    optim, size = settings.optim, settings.batch_size
    trainer = Trainer(
        engine,
        adamw(engine.model, optim.base_lr, optim.betas, optim.weight_decay, size),
        plan,
        lambda first: iter(()),
        dataset.augment.apply,
        Checkpoints(NOWHERE),
        Listener(),
        team=team,
    )
    return trainer, dataset
