"""The file with the trained encoder alone, under timm's names: the product of a run."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from siammae.assembly.tensor_names import differences
from siammae.model.encoder import Encoder
from siammae.system.atomic_files import write_atomic
from siammae.system.checksum import check_checksum_beside, write_checksum
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_object

ARGUMENTS = ("image_size", "patch_size", "width", "depth", "heads")


def export_encoder(encoder: Encoder, arguments: dict[str, Any], path: Path) -> None:
    """Write ``encoder.safetensors``; its metadata holds the arguments that build the encoder.

    The same encoder gives the same bytes. safetensors writes the keys of its metadata in random
    order, so there is only one key. The SHA-256 is written beside it, as for checkpoints.
    """
    tensors = {name: value.contiguous().cpu() for name, value in encoder.state_dict().items()}
    kept = {name: arguments[name] for name in ARGUMENTS}
    # Not safetensors' save_file, whose files nobody but their owner may read.
    content = save(tensors, metadata={"siammae.encoder": json.dumps(kept)})
    write_checksum(path, hashlib.sha256(content).hexdigest())
    write_atomic(path, content)


def import_encoder(path: Path) -> Encoder:
    """Build the encoder that `export_encoder` wrote.

    Raises:
        DataError: when the file is missing, damaged or not ours. Where no SHA-256 lies beside it,
            as in runs of before and where the file alone was copied, none is compared.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    check_checksum_beside(path)
    try:
        with safe_open(path, "pt") as file:
            arguments = (file.metadata() or {}).get("siammae.encoder")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(f"{path} is damaged or no safetensors file: {error}") from None
    if arguments is None:
        raise DataError(f"{path} does not say the encoder's size; it was not exported by siammae")
    try:
        sizes = read_object(arguments)
    except ValueError as error:
        raise DataError(f"{path} does not say the encoder's size: {error}") from None
    return _build(sizes, tensors, path)


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
