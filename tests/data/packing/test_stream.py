"""Streaming: whole shards in order, from a folder, over HTTP and through fsspec."""

import json
import os
import time

import numpy as np
import pytest
from whole_frames import Whole

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.packing import remote
from siammae.data.packing.packed import Packed
from siammae.data.packing.remote import ShardCache
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import file_size
from siammae.system.errors import DataError


def pairs_of(source, seed=5, augment=None):
    augment = augment or PairAugment(32)
    return PairDataset(source, SingleTarget([1, 9]), NoRotation(), augment, seed)


def same(one, two):
    return one.clip.tolist() == two.clip.tolist() and bool((one.frames == two.frames).all())


@pytest.fixture
def served(whole_pack, loopback):
    """The pack over HTTP."""
    for path in whole_pack.iterdir():
        if path.is_file():
            loopback.files[f"p/{path.name}"] = path.read_bytes()
    return loopback


@pytest.fixture
def streamed(served, tmp_path):
    def make(**keys):
        keys = {"window": 2, "cache": str(tmp_path / "cache")} | keys
        return Packed(root=served.url("p"), streaming=True, **keys)

    return make


def fetched(served):
    return [name for name, _ in served.asked if name.endswith(".tar")]


def settled(served, count):
    """Wait until so many shards were asked for by the thread that reads ahead."""
    end = time.monotonic() + 10
    while len(fetched(served)) < count and time.monotonic() < end:
        time.sleep(0.01)


def test_a_folder_is_read_in_windows(whole_pack):
    source = Packed(root=str(whole_pack), streaming=True, window=2)
    clips = source.footage()
    order = [clips.turn(1, visit) for visit in range(12)]
    assert sorted(order[:6]) == sorted(order[6:]) == list(range(6))
    plain = Packed(root=str(whole_pack)).footage()
    for clip in order[:6]:
        assert (clips.open(clip).read([0, 3]) == plain.open(clip).read([0, 3])).all()


def test_over_http_the_pixels_are_those_of_the_folder(whole_pack, served, streamed, tmp_path):
    local = pairs_of(Packed(root=str(whole_pack), streaming=True, window=2))
    remote_ = pairs_of(streamed())
    for one, two in zip(
        make_loader(local, 4, 0, 12, 0), make_loader(remote_, 4, 0, 12, 0), strict=True
    ):
        assert same(one, two)
        assert not two.broken
    assert sorted(fetched(served)) == [f"p/shard-{n:06d}.tar" for n in range(6)]  # each once
    again = streamed()
    again.footage().open(0)
    assert len(fetched(served)) == 6


def test_over_http_every_frame_has_its_own_number(streamed, read_number):
    """The numbers that the frames show, whatever the order of reading, and those of pairs."""
    clips = streamed().footage()
    for visit in range(len(clips)):
        clip = clips.open(clips.turn(3, visit))
        order = [*range(clip.frames), clip.frames - 1, 0, 11, 12, 13]
        seen = [read_number(frame) for index in order for frame in clip.read([index])]
        assert seen == order
    batches = make_loader(pairs_of(streamed(), augment=Whole(32)), 4, 0, 12, 2)
    for batch in batches:
        for frames, gap in zip(batch.frames.numpy(), batch.gap.tolist(), strict=True):
            given, restored = (read_number(frame) for frame in frames)
            assert [restored - given] == gap


@pytest.mark.slow
def test_workers_ranks_and_resumes_give_the_same(whole_pack, streamed):
    """Two ranks of two lanes, each with a worker, that share a cache, and a resume in a pass."""
    keys = {"lanes": 2, "batch_size": 4}
    whole = Packed(root=str(whole_pack), streaming=True, window=2, **keys)
    alone = list(make_loader(pairs_of(whole), 4, 0, 14, 0))
    ranks = [
        list(make_loader(pairs_of(streamed(**keys)), 2, 4, 14, 1, rank, 2)) for rank in range(2)
    ]
    for step, batch in enumerate(alone[2:]):
        halves = [ranks[rank][step] for rank in range(2)]
        assert batch.clip.tolist() == [clip for half in halves for clip in half.clip.tolist()]
        assert all((half.frames[0] > 0).any() for half in halves)


def test_the_next_window_is_fetched_in_time(served, streamed):
    clips = streamed(window=1).footage()
    first = clips.turn(2, 0)
    clips.open(first)
    settled(served, 2)
    now, following = clips.order.shards(2, 0)
    assert set(fetched(served)) == {f"p/shard-{n:06d}.tar" for n in (*now, *following)}


def test_the_cache_stays_in_its_bounds(whole_pack, served, streamed, tmp_path):
    sizes = sorted(path.stat().st_size for path in whole_pack.glob("*.tar"))
    room = sum(sizes[-2:]) / 1e9
    clips = streamed(window=1, cache_gb=room).footage()
    plain = Packed(root=str(whole_pack)).footage()
    for visit in range(18):
        clip = clips.turn(0, visit)
        assert (clips.open(clip).read([2]) == plain.open(clip).read([2])).all()
        held = [max(0, file_size(path)) for path in (tmp_path / "cache").rglob("*.tar*")]
        assert sum(held) <= room * 1e9 + sizes[-1]  # one of the two may be under way
    with pytest.raises(DataError, match=r"cache_gb=1e-05 holds no two windows.*window=1"):
        streamed(window=1, cache_gb=1e-5).footage()


def test_a_broken_connection_goes_on_where_it_broke(served, streamed, whole_pack):
    clips = streamed().footage()
    served.cuts = [3000]
    name = f"p/shard-{int(clips.index.shard[4]):06d}.tar"
    assert clips.open(4).read([0]).any()
    asked = [wanted for path, wanted in served.asked if path == name]
    assert asked == [None, "bytes=3000-"]


def test_what_is_missing_is_named(served, streamed):
    name = sorted(name for name in served.files if name.endswith(".tar"))[0]
    del served.files[name]
    dataset = pairs_of(streamed())
    visits = [dataset[visit] for visit in range(6)]
    broken = {clip: why for visit in visits for clip, why in visit.broken.items()}
    assert len(broken) == 1
    assert all(name in why and "404" in why for why in broken.values())
    del served.files["p/pack.json"]
    with pytest.raises(DataError, match=r"pack\.json: the server answers 404"):
        streamed().footage()


def test_another_pack_under_the_same_url_is_noticed(served, streamed, clips, pack, tmp_path):
    first = streamed().fingerprint()
    pack(clips, tmp_path / "other", quality=70)
    for path in (tmp_path / "other").iterdir():
        if path.is_file():
            served.files[f"p/{path.name}"] = path.read_bytes()
    second = streamed()
    assert second.fingerprint() != first
    plain = Packed(root=str(tmp_path / "other")).footage()
    assert (second.footage().open(1).read([1]) == plain.open(1).read([1])).all()


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "..", "", "a/b", 7])
def test_a_pack_from_elsewhere_names_no_folder(served, streamed, tmp_path, name):
    """Its fingerprint becomes one, which is written to and swept."""
    plan = json.loads(served.files["p/pack.json"])
    served.files["p/pack.json"] = json.dumps(plan | {"fingerprint": name}).encode()
    with pytest.raises(DataError, match=r"pack\.json cannot be used"):
        streamed().footage()
    assert not (tmp_path / "cache").exists()


def test_a_damaged_plan_is_named(served, streamed):
    for content in (b"\xc9\xff", b"", b"[1]", served.files["p/pack.json"] + b"\xb9"):
        served.files["p/pack.json"] = content
        with pytest.raises(DataError, match=r"pack\.json cannot be used"):
            streamed().footage()


def test_through_fsspec(whole_pack, tmp_path):
    root = f"file://{whole_pack}"
    source = Packed(root=root, streaming=True, window=2, cache=str(tmp_path / "cache"))
    plain = Packed(root=str(whole_pack)).footage()
    assert (source.footage().open(3).read([1]) == plain.open(3).read([1])).all()
    assert source.fingerprint() == Packed(root=str(whole_pack)).fingerprint()
    with pytest.raises(DataError, match="no such file"):
        Packed(root=f"{root}/none", streaming=True, cache=str(tmp_path)).footage()
    with pytest.raises(DataError, match="nowhere:// cannot be read here"):
        Packed(root="nowhere://bucket/pack", streaming=True, cache=str(tmp_path)).footage()


def test_a_store_that_fails_is_asked_again(whole_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    receive, fails = remote._receive, [OSError("gone"), OSError("gone")]

    def flaky(url, part):
        if fails:
            part.write_bytes((whole_pack / "shard-000000.tar").read_bytes()[:1000])
            raise fails.pop()
        receive(url, part)

    monkeypatch.setattr(remote, "_receive", flaky)
    url = f"file://{whole_pack}/shard-000000.tar"
    remote.fetch(url, tmp_path / "s.tar")
    assert (tmp_path / "s.tar").read_bytes() == (whole_pack / "shard-000000.tar").read_bytes()
    fails += [OSError("gone")] * 9
    with pytest.raises(DataError, match=r"OSError: gone, 5 times in a row"):
        remote.fetch(url, tmp_path / "t.tar")


def test_one_process_fetches_what_several_want(served, tmp_path, whole_pack):
    size = (whole_pack / "shard-000000.tar").stat().st_size
    ours, theirs = (ShardCache(served.url("p"), tmp_path, 1e9) for _ in range(2))
    with theirs._lock(0):
        assert not ours.get_ahead(0, size)
    assert not fetched(served)
    assert ours.get_ahead(0, size)
    theirs.get(0, size)
    assert len(fetched(served)) == 1


def test_used_shards_are_removed_last(served, tmp_path, whole_pack, monkeypatch):
    monkeypatch.setattr(remote, "FRESH", 0.0)
    sizes = {n: (whole_pack / f"shard-{n:06d}.tar").stat().st_size for n in range(3)}
    cache = ShardCache(served.url("p"), tmp_path, sum(sizes.values()) - 1)
    for shard in (0, 1):
        cache.get(shard, sizes[shard])
        os.utime(tmp_path / f"shard-{shard:06d}.tar", (shard + 1, shard + 1))
    assert cache.use(0)  # the older one
    cache.get(2, sizes[2])
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == [
        "shard-000000.tar",
        "shard-000002.tar",
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"window": 0}, "window=0 must be at least 1"),
        ({"lanes": 3, "batch_size": 8}, "batch_size=8 is not a multiple of lanes=3"),
        ({"lanes": 2}, "lanes=2 needs batch_size"),
        ({"cache_gb": 0.0}, "cache_gb=0.0 must be above 0"),
        ({"streaming": False, "root": "http://x/p"}, "is a URL, which needs streaming=true"),
    ],
)
def test_wrong_keys_are_named(keys, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Packed(**({"root": "somewhere", "streaming": True} | keys))


def test_sizes_are_those_of_the_files(whole_pack):
    clips = Packed(root=str(whole_pack), streaming=True).footage()
    for shard in np.unique(clips.index.shard):
        path = whole_pack / f"shard-{shard:06d}.tar"
        assert clips.size(int(shard)) == path.stat().st_size
