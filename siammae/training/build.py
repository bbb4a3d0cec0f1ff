"""From settings to the model and the numbers of a run."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from siammae.config.check import TrainConfig
from siammae.config.errors import DataError
from siammae.config.groups import build_group
from siammae.evaluation.encoders.names import differences
from siammae.model.siammae import SiamMAE
from siammae.training.checkpoint import load_checked
from siammae.training.plan import Plan


def build_model(config: DictConfig) -> SiamMAE:
    """The model with initial weights that follow from ``seed``, the encoder's from it alone.

    Runs that differ in encoding, decoder or masking therefore start from the same encoder.
    """
    torch.manual_seed(config.seed)
    encoder = build_group(config, "encoder")
    torch.manual_seed(config.seed)
    decoder = build_group(config, "decoder")
    head = build_group(config, "uncertainty")
    torch.manual_seed(config.seed)
    encoding = build_group(config, "encoding")
    return SiamMAE(encoder, decoder, head, build_group(config, "masking"), encoding)


def model_from_checkpoint(path: Path, config: dict[str, Any]) -> SiamMAE:
    """The model that a run of this configuration saved.

    Raises:
        DataError: when the file is missing or damaged, or is of another model.
    """
    state = load_checked(path)["model"]
    if not config:
        raise DataError(f"{path}: the config.yaml of its run is missing, which tells its sizes")
    model = build_model(OmegaConf.create(config))
    problem = differences(model.state_dict(), state)
    if problem:
        raise DataError(f"{path} does not fit the config.yaml of its run; {problem}")
    model.load_state_dict(state)
    return model


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
