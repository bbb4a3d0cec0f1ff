"""Loading of the whole model from a training checkpoint: encoder, decoder and head."""

import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints, load_checked
from siammae.assembly.tensor_names import differences
from siammae.model.siammae import SiamMAE
from siammae.system.errors import ConfigError, DataError
from siammae.tracking.record import RunRecord


def load_model(checkpoint: Path) -> tuple[SiamMAE, DictConfig]:
    """Return the model in evaluation mode, on the CPU, and the configuration of its run.

    Args:
        checkpoint: a run's folder, of which the newest whole checkpoint is taken, or a
            ``step-*.pt`` in such a folder, whose configuration is read as well.

    Raises:
        DataError: when there is no checkpoint, it is damaged or holds the encoder alone, or this
            version of the code builds another model from the run's configuration.
    """
    state, folder = _read(checkpoint)
    config: Any = OmegaConf.create(RunRecord(folder).config())
    with torch.random.fork_rng(devices=[]):  # for initial weights that are replaced at once
        try:
            model = build_model(config)
        except ConfigError as error:
            raise DataError(
                f"{folder}/config.yaml builds no model of this version: {error}"
            ) from None
    problem = differences(model.state_dict(), state["model"])
    if problem:
        raise DataError(f"{checkpoint} does not fit the model of its config.yaml; {problem}")
    model.load_state_dict(state["model"])
    return model.eval(), config


def _read(checkpoint: Path) -> tuple[dict[str, Any], Path]:
    """Return the checkpoint's state and the folder of its run."""
    if checkpoint.is_dir():
        saved = Checkpoints(
            RunRecord(checkpoint).checkpoints,
            warn=lambda text: print(f"warning: {text}", file=sys.stderr),
        )
        state = saved.load_newest()
        if state is None:
            raise DataError(f"{checkpoint} holds no whole checkpoints/step-*.pt")
        return state, checkpoint
    if checkpoint.suffix == ".safetensors":
        raise DataError(
            f"{checkpoint} is the encoder alone; give the run's folder, or one of its "
            "checkpoints/step-*.pt, which hold the decoder, too"
        )
    return load_checked(checkpoint), checkpoint.absolute().parent.parent
