"""Packing: what is in the shards, and what is refused or left out."""

import fcntl
import io
import json
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path

import av
import numpy as np
import pytest
import webdataset
from deadly_clips import DeadlyClips
from PIL import Image

from siammae.data.packing import crew
from siammae.data.packing import write_pack as packing
from siammae.data.reading.clips import shrink
from siammae.system.errors import ConfigError, DataError

LOSS = 4.0  # mean absolute difference, in grey levels, that JPEG may make here


def straight(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_tar_and_pil_find_every_frame_of_every_clip(clips, whole_pack):
    names = set()
    for shard in sorted(whole_pack.glob("*.tar")):
        with tarfile.open(shard) as archive:
            content = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
        for name in [name for name in content if name.endswith(".json")]:
            description = json.loads(content[name])
            names.add(description["name"])
            wanted = straight(clips / description["name"])
            wanted = wanted[: description["frames"]]  # the last are not sure in some containers
            assert (description["height"], description["width"], 3) == wanted[0].shape
            assert description["step"] == 1
            assert description["fps"] == 30
            key = name.partition(".")[0]
            for number, frame in enumerate(wanted):
                jpeg = Image.open(io.BytesIO(content.pop(f"{key}.{number:06d}.jpg")))
                assert jpeg.mode == "RGB"
                assert np.abs(np.asarray(jpeg, int) - frame).mean() < LOSS
            del content[name]
        assert not content
    assert names == {str(path.relative_to(clips)) for path in clips.rglob("*.mp4")}


def test_webdataset_reads_a_clip_as_one_sample(clips, whole_pack):
    urls = [str(path) for path in sorted(whole_pack.glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(samples) == len(list(clips.rglob("*.mp4")))
    for sample in samples:
        frames = [sample[key] for key in sorted(sample) if key.endswith(".jpg")]
        description = sample["json"]
        assert len(frames) == description["frames"]
        wanted = straight(clips / description["name"])
        assert np.abs(frames[-1].astype(int) - wanted[len(frames) - 1]).mean() < LOSS


def test_stride_and_short_side(clips, pack, tmp_path, read_number):
    pack(clips, tmp_path / "out", stride=4, short_side=40)
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    name = next(name for name in members if name.endswith(".json"))
    description = json.loads(members[name])
    frames = straight(clips / description["name"])
    kept = sorted(n for n in members if n.startswith(name[:9]) and n.endswith(".jpg"))
    numbers = [int(n.split(".")[1]) for n in kept]
    assert numbers == list(range(0, numbers[-1] + 1, 4))
    assert description["step"] == 4
    smaller = shrink(np.stack(frames), 40)
    for member, number in zip(kept, numbers, strict=True):
        jpeg = np.asarray(Image.open(io.BytesIO(members[member])), int)
        assert min(jpeg.shape[:2]) == 40
        away = np.abs(jpeg - smaller).mean((1, 2, 3))
        assert away.argmin() == number
        assert away.min() < 2 * LOSS


def test_broken_clips_are_left_out_with_the_reason(clips, pack, tmp_path, clip_maker):
    root = Path(shutil.copytree(clips, tmp_path / "root"))
    (root / "c.mp4").write_text("no video")
    clip_maker(root / "one.mp4", frames=1)
    said = []
    index = pack(root, tmp_path / "out", said, max_broken=0.5)
    names = [index.name(clip) for clip in range(len(index))]
    good = sorted(p.relative_to(clips).as_posix() for p in clips.rglob("*.mp4"))
    assert names == good  # the source's order
    broken = json.loads((tmp_path / "out" / "broken.json").read_text())
    assert len(broken) == 2
    assert any("c.mp4" in why for why in broken.values())
    assert any("one.mp4 has 1 frame" in why for why in broken.values())
    assert any("2 of 8 clips cannot be read" in line for line in said)
    with pytest.raises(DataError, match=r"2 of 8 clips were broken so far.*data.max_broken=0.2"):
        pack(root, tmp_path / "strict", max_broken=0.2)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_decoder_that_dies_or_hangs_costs_one_clip(pack, clips, tmp_path, monkeypatch, hangs):
    monkeypatch.setattr(crew, "PATIENCE", 3.0)
    deadly = DeadlyClips(bad=2, hangs=hangs)
    index = pack(clips, tmp_path / "out", clips=deadly, max_broken=0.5)
    assert [index.name(i) for i in range(len(index))] == [f"clip {i}" for i in (0, 1, 3, 4)]
    broken = json.loads((tmp_path / "out" / "broken.json").read_text())
    assert list(broken) == ["2"]
    assert ("hangs (no sign of life for 3 s)" if hangs else "crashed (SIGKILL)") in broken["2"]


def test_sizes_and_times_are_reported_before(clips, whole_pack, pack, tmp_path, monkeypatch):
    said, order = [], []
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    with pytest.raises(DataError, match=r"has 0.0 MB free, and about 0.\d MB more are needed"):
        pack(clips, tmp_path / "out", said, on_progress=lambda *n: order.append(n))
    assert not order
    announced = next(line for line in said if line.startswith("6 clips: about"))
    assert "in 6 shards" in announced
    size = sum(path.stat().st_size for path in whole_pack.glob("*.tar")) / 1e6
    assert size / 2 < float(announced.split("about ")[1].split()[0]) < 2 * size
    assert not list((tmp_path / "out" / ".packing").glob("*.part"))


def test_other_settings_are_refused_by_name(clips, own_pack, pack, tmp_path):
    with pytest.raises(ConfigError, match="begun with quality=90, not 80, short_side=null, not 32"):
        pack(clips, own_pack, quality=80, short_side=32)
    root = Path(shutil.copytree(clips, tmp_path / "root"))
    next(root.rglob("*.mp4")).unlink()
    with pytest.raises(ConfigError, match="is a pack of other clips"):
        pack(root, own_pack)
    (own_pack / "pack.json").unlink()
    with pytest.raises(ConfigError, match=r"holds shards but no pack\.json"):
        pack(clips, own_pack)


def test_a_second_packer_is_refused(clips, own_pack, pack):
    with (own_pack / ".packing" / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process packs into it"):
            pack(clips, own_pack)


def test_a_removed_shard_is_made_anew(clips, whole_pack, own_pack, pack):
    said: list[str] = []
    pack(clips, own_pack, said)
    assert "is complete: 6 clips" in said[0]
    (own_pack / "shard-000002.tar").unlink()
    pack(clips, own_pack, said)
    for name in ("shard-000002.tar", "index.arrow"):
        assert (own_pack / name).read_bytes() == (whole_pack / name).read_bytes()


def test_real_clips(real_data, pack, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    names = ["h264_two_frames.mp4", "text_not_video.mp4", "decord_video_90.mov", "av1.mp4"]
    for name in [*names, "empty_0bytes.mp4", "h264_one_frame.mp4"]:
        (root / name).symlink_to(real_data / "odd" / name)
    index = pack(root, tmp_path / "out", max_broken=0.6, short_side=256)
    packed = {index.name(clip) for clip in range(len(index))}
    broken = json.loads((tmp_path / "out" / "broken.json").read_text())
    assert len(packed) + len(broken) == 6
    assert {"decord_video_90.mov", "av1.mp4", "h264_two_frames.mp4"} == packed
