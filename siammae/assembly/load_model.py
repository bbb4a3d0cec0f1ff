"""Loading of the whole model from a training checkpoint: encoder, decoder and head."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints, load_checked
from siammae.assembly.tensor_names import differences
from siammae.config.check import read_run
from siammae.config.schema import ModelConfig
from siammae.methods.method import Method
from siammae.methods.siammae import SiamMAE
from siammae.system.errors import ConfigError, DataError
from siammae.tracking.record import RunRecord


def load_model(checkpoint: Path, trusted: Sequence[str] = ()) -> tuple[SiamMAE, ModelConfig]:
    """Return a model that restores a frame from another, see `load_method`.

    Raises:
        DataError: also when it was trained by a method that does not.
    """
    model, settings = load_method(checkpoint, trusted)
    if not isinstance(model, SiamMAE):
        raise DataError(
            f"{checkpoint} was trained by {type(model).__name__}, and this needs a model that "
            "restores a frame from another; other benchmarks measure its encoder"
        )
    return model, settings


def load_method(checkpoint: Path, trusted: Sequence[str] = ()) -> tuple[Method, ModelConfig]:
    """Return the model in evaluation mode, on the CPU, and the settings of its run.

    Args:
        checkpoint: a run's folder, of which the newest whole checkpoint is taken, or a
            ``step-*.pt`` in such a folder, whose configuration is read as well.
        trusted: packages whose classes the configuration may name beside those of ``siammae``.

    Raises:
        DataError: when there is no checkpoint, it is damaged or holds the encoder alone, or this
            version of the code builds another model from the run's configuration.
    """
    state, folder = _read(checkpoint)
    settings = read_run(RunRecord(folder).config(), folder, list(trusted))
    with torch.random.fork_rng(devices=[]):  # for initial weights that are replaced at once
        try:
            model = build_model(settings)
        except ConfigError as error:
            raise DataError(
                f"{folder}/config.yaml builds no model of this version: {error}"
            ) from None
    problem = differences(model.state_dict(), state["model"])
    if problem:
        raise DataError(f"{checkpoint} does not fit the model of its config.yaml; {problem}")
    model.load_state_dict(state["model"])
    return model.eval(), settings


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
