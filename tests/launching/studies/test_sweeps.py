"""Every file of sweeps/: what it draws is valid, and a model comes of it."""

import pytest
import torch
from omegaconf import OmegaConf

from siammae.assembly.build import build_model
from siammae.config.check import check
from siammae.launching.studies.budget import counted
from siammae.system.paths import CONFIGS, ROOT

NAMES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))
TRIALS = 6


@pytest.mark.parametrize("name", NAMES)
def test_what_a_sweep_draws_can_be_trained(studies, name):
    studies.configs, studies.name = CONFIGS, "train"
    drawn = []

    def job(config):
        settings = check(config)
        model, size = build_model(settings), settings.image_size
        count = settings.build("targets").count
        frames, gap = torch.rand(1, 1 + count, 3, size, size), torch.arange(1, 1 + count)
        drawn.append(float(model(frames, gap=gap.unsqueeze(0)).loss.detach()))
        return (1.0, 2.0) if name == "everything" else 1.0

    studies(f"sweeps={name}", f"hydra.sweeper.n_trials={TRIALS}", "image_size=40", job=job)
    study = studies.load()
    assert studies.states() == ["COMPLETE"] * TRIALS
    assert len(drawn) == TRIALS
    space = set(OmegaConf.load(ROOT / "sweeps" / f"{name}.yaml").hydra.sweeper.params)
    assert all(set(trial.params) == space for trial in counted(study))
