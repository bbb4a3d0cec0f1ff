"""Every damage is found and named."""

import shutil

import numpy as np
import pytest

from siammae.data.packing.index import Index
from siammae.data.packing.verify_pack import verify_pack
from siammae.system.errors import DataError


def check(folder):
    return verify_pack(folder, 2, lambda line: None, lambda *_: None)


def flip(path, place, bit=0):
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def test_nothing_is_wrong_with_a_new_pack(whole_pack):
    said = []
    assert verify_pack(whole_pack, 2, said.append, lambda *_: None) == []
    assert "6 shards with 6 clips are as they were written" in said[0]


def test_any_flipped_bit_is_found(own_pack):
    shard = own_pack / "shard-000001.tar"
    good = shard.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, 300, len(good) - 1, *rng.integers(0, len(good), 60)]:
        flip(shard, int(place), int(rng.integers(8)))
        damaged = check(own_pack)
        assert len(damaged) == 1, place
        assert damaged[0].startswith("shard-000001.tar: ")
        shard.write_bytes(good)
    assert check(own_pack) == []


def test_members_are_named(own_pack):
    index = Index.load(own_pack / "index.arrow")
    row = index[4]
    shard = own_pack / f"shard-{row.shard:06d}.tar"
    flip(shard, int(row.offsets()[3]) + 20)
    (line,) = check(own_pack)
    assert line == f"{shard.name}: 000000004.000003.jpg of clip {row.name}: its checksum differs"


def test_cut_missing_and_strange_shards(own_pack):
    whole = (own_pack / "shard-000000.tar").read_bytes()
    (own_pack / "shard-000000.tar").write_bytes(whole[: len(whole) // 2])
    (own_pack / "shard-000001.tar").unlink()
    shutil.copy(own_pack / "shard-000002.tar", own_pack / "shard-000009.tar")
    damaged = check(own_pack)
    assert any("shard-000000.tar: is cut short" in line for line in damaged)
    assert sum("cut off" in line for line in damaged) == 1  # and not for all that follows
    assert "shard-000001.tar: cannot be read: No such file or directory" in damaged
    assert any("shard-000009.tar: is too long" in line for line in damaged)


@pytest.mark.parametrize("part", ["header", "description"])
def test_without_an_index_damage_is_found_too(own_pack, part):
    index = Index.load(own_pack / "index.arrow")
    row = index[2]
    shard = own_pack / f"shard-{row.shard:06d}.tar"
    flip(shard, int(row.offsets()[3]) - 512 if part == "header" else row.members()[-1][0].offset)
    (own_pack / "index.arrow").unlink()
    damaged = check(own_pack)
    assert damaged
    assert all(shard.name in line for line in damaged)


def test_a_finished_pack_with_a_shard_cut_short_is_not_called_complete(own_pack, clips, pack):
    shard = own_pack / "shard-000000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-600])
    with pytest.raises(DataError, match=r"shard-000000.tar \(1\) is not as long as it was; remove"):
        pack(clips, own_pack)
    shard.unlink()
    pack(clips, own_pack)
    assert shard.read_bytes() == whole
