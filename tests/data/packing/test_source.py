"""Training from a pack: the unpacked source's pairs, and what damage does."""

import io
import os
import pickle
import shutil
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.packing import reader, rebuild
from siammae.data.packing.index import Index
from siammae.data.packing.packed import Packed
from siammae.data.reading.video import Clip
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError


def pairs_of(source, seed=5):
    return PairDataset(source, SingleTarget([1, 9]), NoRotation(), PairAugment(32), seed)


def test_the_same_pairs_as_unpacked(clips, whole_pack):
    unpacked = pairs_of(Videos(root=str(clips), short_side=None))
    packed = pairs_of(Packed(root=str(whole_pack)))
    for visit in range(12):
        for one, two in zip(unpacked[visit].samples, packed[visit].samples, strict=True):
            assert (one.clip, one.gap, *one.flip) == (two.clip, two.gap, *two.flip)
            for ours, theirs in zip(one.frames, two.frames, strict=True):
                assert ours.shape == theirs.shape
                assert np.abs(ours.astype(int) - theirs).mean() < 6


def test_a_clip_says_rate_and_step(clips, pack, tmp_path, read_number):
    pack(clips, tmp_path / "out", stride=3)
    footage = Packed(root=str(tmp_path / "out")).footage()
    clip = footage.open(1)
    assert isinstance(clip, Clip)
    assert (clip.fps, clip.step) == (30.0, 3)
    frames = clip.read([0, 2, 5])
    assert frames.dtype == np.uint8
    assert [read_number(frame) for frame in frames] == [0, 6, 15]


def test_the_fingerprint_is_of_the_content(clips, whole_pack, own_pack, pack, tmp_path):
    shutil.move(own_pack, tmp_path / "elsewhere")
    same = Packed(root=str(tmp_path / "elsewhere")).fingerprint()
    assert same == Packed(root=str(whole_pack)).fingerprint()
    pack(clips, tmp_path / "other", quality=89)
    assert Packed(root=str(tmp_path / "other")).fingerprint() != same


def test_readers_get_little_and_hold_few_files(whole_pack, monkeypatch):
    monkeypatch.setattr(reader, "OPEN", 2)
    footage = Packed(root=str(whole_pack)).footage()
    before = open_files()
    for clip in range(6):
        footage.open(clip).read([0])
    assert open_files() == before + 2
    sent = pickle.dumps(footage)
    assert len(sent) < 1000
    again = pickle.loads(sent)
    assert (again.open(3).read([4]) == footage.open(3).read([4])).all()
    with get_context("fork").Pool(1) as pool:
        assert (pool.apply(_first, (footage, 0)) == footage.open(0).read([0])).all()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def _first(footage, clip):
    return footage.open(clip).read([0])


def test_in_memory_and_smaller(whole_pack):
    plain = Packed(root=str(whole_pack)).footage()
    held = Packed(root=str(whole_pack), in_memory=True).footage()
    assert (held.open(2).read([1, 3]) == plain.open(2).read([1, 3])).all()
    small = Packed(root=str(whole_pack), short_side=24).footage()
    assert min(small.open(2).read([1]).shape[1:3]) == 24


def test_a_missing_or_cut_index_is_made_again(whole_pack, own_pack, capsys, monkeypatch):
    good = (whole_pack / "index.arrow").read_bytes()
    (own_pack / "index.arrow").unlink()
    assert len(Packed(root=str(own_pack)).footage()) == 6
    assert "index.arrow is missing: made again from 6 shards" in capsys.readouterr().out
    assert Index.load(own_pack / "index.arrow").table.equals(
        Index.load(whole_pack / "index.arrow").table
    )
    (own_pack / "index.arrow").write_bytes(good[: len(good) // 2])

    def read_only(*_):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(rebuild, "write", read_only)
    source = Packed(root=str(own_pack))
    assert source.fingerprint() == Packed(root=str(whole_pack)).fingerprint()
    assert "kept in memory" in capsys.readouterr().out
    again = pickle.loads(pickle.dumps(source.footage()))
    assert again.open(5).read([0]).shape == source.footage().open(5).read([0]).shape


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damage_is_skipped_and_counted(own_pack, damage):
    index = Index.load(own_pack / "index.arrow")
    row = index[3]
    shard = own_pack / f"shard-{row.shard:06d}.tar"
    data = bytearray(shard.read_bytes())
    if damage == "flipped":
        for place in row.offsets():
            data[place + 50] ^= 1
        shard.write_bytes(data)
    elif damage == "cut":
        shard.write_bytes(data[:600])
    else:
        shard.unlink()
    dataset = pairs_of(Packed(root=str(own_pack)))
    visits = [dataset[visit] for visit in range(6)]
    broken = {name: why for visit in visits for name, why in visit.broken.items()}
    assert list(broken) == [row.name]
    assert shard.name in broken[row.name]
    assert all(len(visit.samples) == 2 for visit in visits)


def test_an_index_with_sizes_that_no_memory_holds_is_named(own_pack):
    index = Index.load(own_pack / "index.arrow")
    row = replace(index[3], height=2**31 - 1)
    clip = reader.PackedClip(reader.ShardFiles(own_pack), row)
    with pytest.raises(DataError, match=r"frame 2 of clip .* is no JPEG of 48x2147483647: it is"):
        clip.read([2, 4])


def test_what_is_no_pack_is_refused(tmp_path, clips, own_pack):
    with pytest.raises(DataError, match="no such folder"):
        Packed(root=str(tmp_path / "none")).footage()
    with pytest.raises(DataError, match=r"holds no pack.*siammae\.pack makes one"):
        Packed(root=str(clips)).footage()
    plan = own_pack / "pack.json"
    plan.write_text(plan.read_text().replace('"complete": true', '"complete": false'))
    (own_pack / "index.arrow").unlink()
    with pytest.raises(DataError, match="6 of 6 shards are finished"):
        Packed(root=str(own_pack)).footage()


def test_pixels_are_those_that_pil_sees(whole_pack):
    index = Index.load(whole_pack / "index.arrow")
    row = index[0]
    offset, size = int(row.offsets()[7]), int(row.sizes[7])
    data = (whole_pack / f"shard-{row.shard:06d}.tar").read_bytes()[offset : offset + size]
    theirs = np.asarray(Image.open(io.BytesIO(data)), int)
    ours = Packed(root=str(whole_pack)).footage().open(0).read([7])[0]
    assert np.abs(theirs - ours).max() <= 2
