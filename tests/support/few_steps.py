"""A few optimiser steps of a configuration, in this process or as one of those of torchrun."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from torch import Tensor

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.assembly.identity import identify
from siammae.config.check import check
from siammae.config.schema import TrainConfig
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS
from siammae.training.distributed import join_team
from siammae.training.engines import make_engine
from siammae.training.loop import Listener, Trainer
from siammae.training.training_plan import make_plan

STEPS = 3


def take_steps(overrides: Sequence[str]) -> dict[str, Tensor]:
    """Train ``STEPS`` steps by SGD; return the weights and buffers that a checkpoint would hold."""
    found = identify(settings_of(overrides), None)
    settings, source, team = found.settings, found.source, join_team()
    targets, rotation, augment = map(settings.build, ("targets", "rotation", "augment"))
    labels = None if found.labels is None else found.labels.of_clips
    dataset = PairDataset(source, targets, rotation, augment, settings.seed, labels)
    plan = make_plan(settings, len(dataset.clips), source.max_broken, "fp32")
    build = partial(build_model, settings)
    engine = make_engine(settings.parallel, build().train(), team, build)
    part = settings.batch_size // (settings.accumulate * team.size)
    visits = STEPS * settings.batch_size // dataset.pairs
    with TemporaryDirectory() as nothing:
        trainer = Trainer(
            engine,
            torch.optim.SGD(
                engine.model.parameters(), 1.0
            ),  # AdamW would magnify rounding of tiny ones
            plan,
            lambda done: iter(make_loader(dataset, part, done, visits, 0, team.rank, team.size)),
            dataset.augment.apply,
            Checkpoints(Path(nothing)),
            Listener(),
            team=team,
        )
        feed = trainer.feed(trainer.batches(0))
        for step in range(1, STEPS + 1):
            trainer.train_step(step, feed)
    return engine.whole().state_dict()


def settings_of(overrides: Sequence[str]) -> TrainConfig:
    register_with_hydra()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS)):
        return check(compose("train", list(overrides)))


def main(folder: Path) -> None:
    """Train each configuration of ``folder``, a file NAME.txt of overrides, into NAME.pt."""
    for case in sorted(folder.glob("*.txt")):
        weights = take_steps(case.read_text().splitlines())
        if join_team().is_main:
            torch.save(weights, case.with_suffix(".pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
