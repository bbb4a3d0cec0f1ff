"""A damaged index: named, made again, and never the end of the process that opens it."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from siammae.data.packing.index import Index
from siammae.data.packing.packed import Packed
from siammae.data.packing.verify_pack import verify_pack
from siammae.system.errors import DataError

# Opens a pack and reads a frame of each clip; a process of its own, since it may be aborted.
OPEN = """
import sys
from siammae.data.packing.packed import Packed
source = Packed(root=sys.argv[1])
clips = source.footage()
print(source.fingerprint(), sum(clips.open(clip).read([0]).shape[0] for clip in range(len(clips))))
"""


def opened(pack):
    """What comes of `OPEN`: its last line."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", OPEN, str(pack)], env=known, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended
    return ended.stdout.splitlines()


def damage(path, seed):
    """Write other bytes over a few places of a file."""
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    places = rng.integers(8, len(data), 12)
    data[places] = rng.choice([0, 1, 127, 255, 254], 12).astype(np.uint8)
    path.write_bytes(data.tobytes())


def test_the_checksum_is_sha256sum_s(whole_pack):
    digest, name = (whole_pack / "index.arrow.sha256").read_text().split()
    assert name == "index.arrow"
    assert digest == hashlib.sha256((whole_pack / "index.arrow").read_bytes()).hexdigest()
    assert sorted(path.name for path in whole_pack.glob("index*")) == [
        "index.arrow",
        "index.arrow.sha256",
    ]


@pytest.mark.parametrize("has_checksum", [True, False])
def test_damage_is_named_and_mended(whole_pack, own_pack, has_checksum):
    for seed in range(3):
        if not has_checksum:
            (own_pack / "index.arrow.sha256").unlink()
        damage(own_pack / "index.arrow", seed)
        *said, last = opened(own_pack)
        assert last == f"{Packed(root=str(whole_pack)).fingerprint()} 6"
        assert "index.arrow is damaged" in said[0]
        assert "made again from 6 shards" in said[0]
        assert len(said) == 1
        assert opened(own_pack) == [last]  # it is written and sound


def test_an_index_that_aborts_arrow_s_reader(own_pack, real_data):
    crash = real_data / "cases/files/0267-index.arrow-crash-index.arrow"
    if not crash.is_file():
        pytest.skip("there are no cases beside the clips")
    (own_pack / "index.arrow").write_bytes(crash.read_bytes())
    (own_pack / "index.arrow.sha256").unlink()
    assert "made again from 6 shards" in opened(own_pack)[0]


def test_a_sound_index_of_before_checksums_is_taken_as_it_is(own_pack):
    (own_pack / "index.arrow.sha256").unlink()
    before = (own_pack / "index.arrow").stat().st_mtime_ns
    assert len(opened(own_pack)) == 1
    assert (own_pack / "index.arrow").stat().st_mtime_ns == before


def test_another_content_than_the_fingerprint_s_is_damage(own_pack):
    """Sizes of other frames are no damage that Arrow could see."""
    path = own_pack / "index.arrow"
    index = Index.load(path)
    old = index[0].sizes.tobytes()
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, (index[0].sizes + 1).tobytes()))
    (own_pack / "index.arrow.sha256").unlink()
    with pytest.raises(DataError, match="another fingerprint"):
        Index.load(path)


def test_verify_names_a_damaged_index(own_pack):
    damage(own_pack / "index.arrow", 0)
    said = []
    assert verify_pack(own_pack, 2, said.append, lambda *_: None) == []
    assert "index.arrow is damaged" in said[0]
    assert "its checksum differs" in said[0]
    assert "made again from 6 shards" in said[0]


def test_a_cached_index_is_fetched_again_and_a_damaged_pack_is_named(
    whole_pack, loopback, tmp_path
):
    for path in whole_pack.iterdir():
        if path.is_file():
            loopback.files[f"p/{path.name}"] = path.read_bytes()

    def fingerprint():
        keys = {"streaming": True, "window": 2, "cache": str(tmp_path / "cache")}
        source = Packed(root=loopback.url("p"), **keys)
        source.footage()
        return source.fingerprint()

    good = fingerprint()
    cached = tmp_path / "cache" / good / "index.arrow"
    damage(cached, 0)
    assert fingerprint() == good
    assert cached.read_bytes() == (whole_pack / "index.arrow").read_bytes()
    for name in ("index.arrow", "index.arrow.sha256"):
        (tmp_path / "cache" / good / name).unlink()
    del loopback.files["p/index.arrow.sha256"]  # as of a pack of before there were any
    assert fingerprint() == good
    cached.unlink()
    whole = loopback.files["p/index.arrow"]
    loopback.files["p/index.arrow"] = whole[: len(whole) // 2] + bytes(len(whole) // 2)
    with pytest.raises(DataError, match=r"index\.arrow is damaged.*--verify makes it again"):
        fingerprint()
    assert not cached.exists()


def test_a_damaged_table_of_a_finished_shard_is_made_again(clips, tmp_path, pack):
    """Killed before its end, a packing has tables of its finished shards."""
    out = tmp_path / "out"
    whole = pack(clips, out)

    class Killed(Exception):
        pass

    def kill(done, total, size):
        if done == 4:
            raise Killed

    other = tmp_path / "killed"
    with pytest.raises(Killed):
        pack(clips, other, on_progress=kill)
    parts = sorted((other / ".packing").glob("*.arrow"))
    assert parts
    damage(parts[0], 0)
    said = []
    again = pack(clips, other, said)
    assert again.fingerprint == whole.fingerprint
    assert any(f"{parts[0].name} cannot be read: its checksum differs" in line for line in said)
    assert not list((other / ".packing").glob("*.arrow*"))
    assert json.loads((other / "pack.json").read_text())["complete"]
