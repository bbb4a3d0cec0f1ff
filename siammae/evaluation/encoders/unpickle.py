"""Reading the tensors of somebody else's checkpoint without running its code."""

import argparse
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from siammae.evaluation.encoders.source import existing
from siammae.system.errors import ConfigError, DataError

# Where checkpoints keep the model, the one to be used first: DINO evaluates its teacher.
# Of DINO, MAE, solo-learn and Lightning, DeepSpeed, and I-JEPA; then running averages of them.
HOLDERS = (
    *("teacher", "student", "model", "model_state", "state_dict", "module", "encoder"),
    *("target_encoder", "model_ema", "state_dict_ema"),
)


def read_tensors(path: Path, wanted: str | None = None) -> tuple[dict[str, Tensor], str | None]:
    """Read the tensors of a file by name, and the key of the file under which they stood.

    Where the file has several models by the names in `HOLDERS`, and none is ``wanted``, the choice
    is printed. Pickles are read with ``weights_only``; beside plain values only
    ``argparse.Namespace`` may be in them, which the published files of MAE and DINO hold.

    Raises:
        DataError: when the file is missing, damaged, no checkpoint, or wants to run code.
        ConfigError: when it holds nothing by the name ``wanted``.
    """
    content = read_checkpoint(path)
    models = {key: _tensors(content[key]) for key in content if isinstance(content[key], dict)}
    known = [key for key in HOLDERS if models.get(key)]
    if wanted is not None:
        if not models.get(wanted):
            raise ConfigError(
                f"state_dict={wanted}: {path} holds no tensors by that name; those that it holds "
                f"stand under {', '.join(str(key) for key in models if models[key]) or 'none'}"
            )
        return models[wanted], wanted
    holder = next((key for key in HOLDERS if key in models), None)
    if holder is not None and len(known) > 1:
        others = ", ".join(key for key in known if key != holder)
        print(
            f"{path} holds several models: taking {holder}; state_dict=NAME takes another, of "
            f"{others}",
            file=sys.stderr,
        )
    tensors = _tensors(content) if holder is None else models[holder]
    if not tensors:
        raise DataError(
            f"{path} holds no tensors by name, at the top or under {', '.join(HOLDERS)}"
        )
    return tensors, holder


def _tensors(held: dict[Any, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in held.items() if isinstance(value, Tensor)}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a ``.safetensors`` or ``torch.save`` file that holds a dictionary."""
    existing(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace, *_numpy_scalars()]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise DataError(f"{path} is damaged or no safetensors file: {error}") from None
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from None
    except Exception as error:  # torch raises half a dozen kinds for a file it did not write
        raise DataError(f"{path} is no checkpoint that torch can read: {_first(error)}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not tensors by name")
    return content


def _numpy_scalars() -> list[Any]:
    """List the types that make up a numpy number beside the weights, such as a best accuracy."""
    from numpy._core.multiarray import scalar

    types = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    return [scalar, np.dtype, *(type(np.dtype(kind)) for kind in types)]


def _refused(path: Path, message: str) -> DataError:
    """Shorten torch's long advice to one line; code that it names is run by the pickle."""
    named = re.search(r"unsupported (?:global:? GLOBAL|class) (\S+)", message, re.IGNORECASE)
    if named is None:  # torch's own text would advise to run whatever is inside
        return DataError(f"{path} is damaged or no checkpoint: torch cannot unpickle it safely")
    return DataError(
        f"{path} wants to run code when it is opened ({named[1]}) and is refused; where you trust "
        "it, save its tensors alone: torch.save({'model': state_dict}, FILE)"
    )


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
