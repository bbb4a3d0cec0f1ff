"""The file with the trained encoder alone, under timm's names: the product of a run."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from siammae.assembly.tensor_names import differences
from siammae.model.encoder import Encoder
from siammae.system.atomic_files import replacing
from siammae.system.errors import DataError

ARGUMENTS = ("image_size", "patch_size", "width", "depth", "heads")


def export_encoder(encoder: Encoder, arguments: dict[str, Any], path: Path) -> None:
    """Write ``encoder.safetensors``; its metadata holds the arguments that build the encoder.

    The same encoder gives the same bytes. safetensors writes the keys of its metadata in random
    order, so there is only one key.
    """
    tensors = {name: value.contiguous().cpu() for name, value in encoder.state_dict().items()}
    kept = {name: arguments[name] for name in ARGUMENTS}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={"siammae.encoder": json.dumps(kept)})


def import_encoder(path: Path) -> Encoder:
    """Build the encoder that `export_encoder` wrote.

    Raises:
        DataError: when the file is missing, damaged or not ours.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with safe_open(path, "pt") as file:
            arguments = (file.metadata() or {}).get("siammae.encoder")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(f"{path} is damaged or no safetensors file: {error}") from None
    if arguments is None:
        raise DataError(f"{path} does not say the encoder's size; it was not exported by siammae")
    return _build(json.loads(arguments), tensors, path)


def encoder_from_state(state: dict[str, torch.Tensor], config: Any, path: Path) -> Encoder:
    """Build the encoder from a training checkpoint's model state and the run's configuration."""
    prefix = "encoder."
    tensors = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return _build({name: config["encoder"][name] for name in ARGUMENTS}, tensors, path)


def _build(arguments: dict[str, int], tensors: dict[str, torch.Tensor], path: Path) -> Encoder:
    try:
        encoder = Encoder(**arguments)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: no encoder can be built with {arguments}: {error}") from None
    problem = differences(encoder.state_dict(), tensors)
    if problem:
        raise DataError(f"{path} does not fit an encoder of {arguments}; {problem}")
    encoder.load_state_dict(tensors)
    return encoder
