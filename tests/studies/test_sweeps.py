"""Every file of sweeps/: what it draws is valid, and a model comes of it."""

import pytest
import torch
from omegaconf import OmegaConf

from siammae.config.check import check
from siammae.config.groups import build_group
from siammae.config.launch import groups_of
from siammae.config.paths import CONFIGS, ROOT
from siammae.config.study import recipe
from siammae.studies.budget import counted
from siammae.training.build import build_model

NAMES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))
TRIALS = 6


@pytest.mark.parametrize("name", NAMES)
def test_what_a_sweep_draws_can_be_trained(studies, name):
    OmegaConf.register_resolver("recipe", recipe, replace=True)
    OmegaConf.register_resolver("groups", groups_of, replace=True)
    studies.configs, studies.name = CONFIGS, "train"
    drawn = []

    def job(config):
        settings = check(config)
        build_group(config, "augment")
        build_group(config, "rotation")
        model, size = build_model(config), settings.image_size
        drawn.append(float(model(torch.rand(1, 2, 3, size, size)).loss.detach()))
        return (1.0, 2.0) if name == "everything" else 1.0

    studies(f"sweeps={name}", f"hydra.sweeper.n_trials={TRIALS}", "image_size=40", job=job)
    study = studies.load()
    assert studies.states() == ["COMPLETE"] * TRIALS
    assert len(drawn) == TRIALS
    space = set(OmegaConf.load(ROOT / "sweeps" / f"{name}.yaml").hydra.sweeper.params)
    assert all(set(trial.params) == space for trial in counted(study))
