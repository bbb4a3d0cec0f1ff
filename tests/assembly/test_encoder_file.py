"""The exported encoder."""

import json

import torch
from safetensors.torch import load_file, save_file

from siammae.assembly.encoder_file import export_encoder, import_encoder
from siammae.model.encoder import Encoder

ARGUMENTS = {"image_size": 16, "patch_size": 8, "width": 16, "depth": 1, "heads": 2}


def encoder():
    torch.manual_seed(0)
    return Encoder(**ARGUMENTS)


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_same_encoder_gives_the_same_bytes(tmp_path):
    """Twenty times: two keys of metadata would come out in one order once in a million."""
    written = set()
    for number in range(20):
        export_encoder(encoder(), ARGUMENTS, tmp_path / f"{number}.safetensors")
        written.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(written) == 1
    assert same(encoder().state_dict(), import_encoder(tmp_path / "0.safetensors").state_dict())


def test_a_file_of_before_is_read(tmp_path):
    path = tmp_path / "old.safetensors"
    metadata = {"format": "pt", "siammae.encoder": json.dumps(ARGUMENTS)}
    save_file(encoder().state_dict(), path, metadata=metadata)
    assert same(encoder().state_dict(), import_encoder(path).state_dict())
    assert same(encoder().state_dict(), load_file(path))
