"""A few optimiser steps of a configuration, in this process or as one of those of torchrun."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from composed import settings_of
from torch import Tensor

from siammae.data.sampling.loader import make_loader
from siammae.training.distributed import join_team
from siammae.training.engines import Engine
from siammae.training.trial import trial_trainer

STEPS = 3


def take_steps(overrides: Sequence[str]) -> tuple[dict[str, Tensor], Engine]:
    """Train ``STEPS`` steps by SGD.

    Returns:
        the weights and buffers that a checkpoint would hold, and what computed them.
    """
    settings, team = settings_of(*overrides), join_team()
    trainer, dataset = trial_trainer(settings, torch.device("cpu"), STEPS, team)
    # AdamW would magnify what is nothing but rounding.
    trainer.optimiser = torch.optim.SGD(trainer.model.parameters(), 1.0)
    part = settings.batch_size // (settings.accumulate * team.size)
    visits = STEPS * settings.batch_size // dataset.pairs
    feed = trainer.feed(iter(make_loader(dataset, part, 0, visits, 0, team.rank, team.size)))
    for step in range(1, STEPS + 1):
        trainer.train_step(step, feed)
    return trainer.engine.whole().state_dict(), trainer.engine


def main(folder: Path) -> None:
    """Train each configuration of ``folder``, a file NAME.txt of overrides, into NAME.pt."""
    for case in sorted(folder.glob("*.txt")):
        weights, _ = take_steps(case.read_text().splitlines())
        if join_team().is_main:
            torch.save(weights, case.with_suffix(".pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
