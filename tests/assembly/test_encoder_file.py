"""The exported encoder."""

import json
import os
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file

from siammae.assembly.encoder_file import export_encoder, import_encoder
from siammae.evaluation.encoders.published import FileEncoder
from siammae.model.encoder import Encoder
from siammae.system.errors import DataError
from siammae.system.write_once import write_once

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


def test_one_wrong_bit_is_named_by_the_checksum_beside_it(tmp_path):
    path = tmp_path / "encoder.safetensors"
    export_encoder(encoder(), ARGUMENTS, path)
    done = subprocess.run(["sha256sum", "-c", f"{path.name}.sha256"], cwd=tmp_path, check=True)
    assert done.returncode == 0
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for read in (import_encoder, lambda path: FileEncoder(str(path)).load()):
        with pytest.raises(DataError, match=r"encoder\.safetensors is damaged: its SHA-256"):
            read(path)
    (tmp_path / f"{path.name}.sha256").unlink()  # as in runs of before
    import_encoder(path)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_others_may_read_what_the_umask_lets_them(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        export_encoder(encoder(), ARGUMENTS, tmp_path / "encoder.safetensors")
        write_once(tmp_path / "set", lambda folder: (folder / "file").touch(), "root=x")
    finally:
        os.umask(before)
    for name in ("encoder.safetensors", "encoder.safetensors.sha256", "set/file"):
        assert (tmp_path / name).stat().st_mode & 0o777 == mode
    assert (tmp_path / "set").stat().st_mode & 0o777 == 0o777 & ~umask
