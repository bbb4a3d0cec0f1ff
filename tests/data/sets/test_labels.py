"""The classes of clips: from folders, lists, names and annotations, and through a pack."""

import csv
import json

import pytest

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.built_in.sprites import Sprites
from siammae.data.packing.index import LABEL, Index, write
from siammae.data.packing.layout import INDEX, shards
from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.packed import Packed
from siammae.data.packing.rebuild import table_of_shards
from siammae.data.packing.write_pack import Packer
from siammae.data.sampling.batch import collate
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.mixture import Mixture
from siammae.data.sampling.same_frame import SameFrame
from siammae.data.sets.hmdb51 import HMDB51
from siammae.data.sets.kinetics400 import Kinetics400
from siammae.data.sets.labels import labels_of
from siammae.data.sets.ssv2 import SomethingSomethingV2
from siammae.data.sets.ucf101 import UCF101
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError

K400 = ["-3B32lodo2M_000059_000069", "__NrybzYzUg_000415_000425", "zzO7b_6Wvdw_000001_000011"]


def by_stem(source):
    """Class by clip, asked through what the readers get."""
    clips = source.footage()
    stems = [clips.name(clip).rpartition("/")[2].rpartition(".")[0] for clip in range(len(clips))]
    return dict(zip(stems, source.classes(), strict=True))


def test_of_videos_they_are_the_folders_below_the_root(put, tmp_path):
    put("set/run/a.mp4", "set/run/far/b.mp4", "set/walk/c.mp4")
    source = Videos(str(tmp_path / "set"))
    assert by_stem(source) == {"a": "run", "b": "run", "c": "walk"}
    labels = labels_of(source)
    assert (labels.names, labels.of_clips) == (["run", "walk"], [0, 0, 1])
    put("set/d.mp4")
    with pytest.raises(DataError, match=r"data=videos.*1 of 4 clips have no class, .*set/d\.mp4"):
        labels_of(Videos(str(tmp_path / "set")))


def test_of_a_list_they_are_the_only_column_after_the_path(put, tmp_path):
    put("set/x/a b.mp4", "set/c.mp4", "set/d.mp4")
    root = tmp_path / "set/list.txt"
    root.write_text("x/a b.mp4 7\n'c.mp4', walk\nd.mp4\t7\n")
    assert by_stem(Videos(str(root))) == {"a b": "7", "c": "walk", "d": "7"}
    root.write_text("c.mp4 0 -1\nd.mp4 0 -1\n")
    assert by_stem(Videos(str(root))) == {"c": None, "d": None}


def test_of_hmdb51_and_ucf101_whatever_the_layout(put, tmp_path):
    put("h/videos/brush_hair/x_1.avi", "h/videos/wave/y_1.avi")
    assert by_stem(HMDB51(str(tmp_path / "h"))) == {"x_1": "brush_hair", "y_1": "wave"}
    put("u/v_HandstandPushups_g01_c02.avi", "u/UCF-101/YoYo/v_YoYo_g25_c05.avi")
    found = by_stem(UCF101(str(tmp_path / "u")))
    assert list(found.values()) == ["HandstandPushups", "YoYo"]


def test_of_ssv2_they_are_the_templates(put, tmp_path):
    put("s/videos/1.webm", "s/videos/22.webm", "s/videos/3.webm")
    clips = [
        {"id": "1", "label": "holding a cup", "template": "Holding [something]"},
        {"id": "22", "label": "moving a up", "template": "Moving [something] up"},
    ]
    (tmp_path / "s/train.json").write_text(json.dumps(clips))
    source = SomethingSomethingV2(str(tmp_path / "s"))
    assert by_stem(source) == {"1": "Holding something", "22": "Moving something up", "3": None}
    split = SomethingSomethingV2(str(tmp_path / "s"), split="train")
    assert labels_of(split).names == ["Holding something", "Moving something up"]


def kinetics_table(path):
    with path.open("w", newline="") as file:
        rows = [
            [f"class {number % 2}", clip[:11], int(clip[12:18]), int(clip[19:25]), "train"]
            for number, clip in enumerate(K400)
        ]
        csv.writer(file).writerows(
            [["label", "youtube_id", "time_start", "time_end", "split"], *rows]
        )


def test_of_kinetics_they_are_in_the_table_or_the_class_folders(put, tmp_path):
    put(*(f"flat/train/{clip}.mp4" for clip in K400))
    assert set(Kinetics400(str(tmp_path / "flat")).classes()) == {None}
    (tmp_path / "flat/annotations").mkdir()
    kinetics_table(tmp_path / "flat/annotations/train.csv")
    wanted = {clip: f"class {number % 2}" for number, clip in enumerate(K400)}
    assert by_stem(Kinetics400(str(tmp_path / "flat"))) == wanted
    put(*(f"folders/train/{wanted[clip]}/{clip}.mp4" for clip in K400))
    # A replacement of a corrupted clip has the class of the clip that it replaces.
    put(f"folders/replacement_for_corrupted_k400/{K400[1]}.mp4")
    assert by_stem(Kinetics400(str(tmp_path / "folders"))) == wanted
    paths = tmp_path / "flat/list.txt"
    paths.write_text("".join(f"train/{clip}.mp4 {n}\n" for n, clip in enumerate(K400)))
    listed = by_stem(Kinetics400(str(tmp_path / "flat"), clip_list="list.txt"))
    assert listed == {clip: str(number) for number, clip in enumerate(K400)}


def test_a_bad_row_of_the_table_is_named(put, tmp_path):
    put(f"flat/train/{K400[0]}.mp4")
    table = tmp_path / "flat/train.csv"
    table.write_text("label,youtube_id,time_start,time_end\nx,abc,one,2\n")
    with pytest.raises(DataError, match=r"train\.csv, line 2: youtube_id, time_start"):
        Kinetics400(str(tmp_path / "flat")).classes()


def test_of_sprites_they_are_the_numbers_of_objects(tmp_path):
    source = Sprites(str(tmp_path), clips=3, frames=3, sequences=1, sequence_frames=2)
    assert source.classes() == ["2 objects", "3 objects", "2 objects"]
    source.prepare()
    assert len(source.videos()) == 3
    for number, name in enumerate(source.classes()):
        seen = {int(mask.max()) for _, mask in source._draw(0, number, 3, 1)}
        assert f"{max(seen)} objects" == name


def test_a_mixture_and_a_single_class_are_refused(put, tmp_path):
    put("one/run/a.mp4", "one/run/b.mp4")
    source = Videos(str(tmp_path / "one"))
    with pytest.raises(DataError, match=r"data=videos, .*1 class, run; .* at least two"):
        labels_of(source)
    with pytest.raises(DataError, match=r"data=mixture.*2 of 2 clips have no class"):
        labels_of(Mixture({"one": source}, {"one": 1}))


@pytest.fixture
def packed(put, tmp_path):
    put("set/run/a.mp4", "set/walk/b.mp4", "set/run/c.mp4")
    source, out = Videos(str(tmp_path / "set")), tmp_path / "pack"
    settings = PackSettings(source.fingerprint(), 1, 90, None, 256)
    how = (1, 0.0, lambda line: None, lambda *_: None)
    Packer(source.footage(), out, settings, *how, source.classes()).run()
    return out


def test_a_pack_keeps_them_also_when_its_index_is_made_anew(packed):
    assert Packed(root=str(packed)).classes() == ["run", "run", "walk"]
    (packed / INDEX).unlink()
    assert Packed(root=str(packed)).classes() == ["run", "run", "walk"]


def test_a_pack_of_before_has_none_and_its_name_is_the_same(packed):
    table = table_of_shards(shards(packed), print)
    index = Index(table)
    write(table.drop_columns([LABEL]), packed / INDEX)
    before = Packed(root=str(packed))
    assert before.fingerprint() == index.fingerprint
    assert before.classes() == [None] * 3
    with pytest.raises(DataError, match=r"data=packed, .*3 of 3 clips have no class"):
        labels_of(before)


def test_a_batch_has_the_class_of_each_clip_that_is_read(put, tmp_path):
    put("set/run/a.mp4", "set/walk/b.mp4", "set/walk/c.mp4")
    (tmp_path / "set/run/broken.mp4").write_bytes(b"no video")
    source = Videos(str(tmp_path / "set"), max_broken=0.5)
    labels = labels_of(source).of_clips
    parts = (SameFrame(1), NoRotation(), PairAugment(32), 0)
    dataset = PairDataset(source, *parts, labels)
    batch = collate([dataset[visit] for visit in range(8)])
    assert batch.broken
    assert batch.label.tolist() == [labels[clip] for clip in batch.clip.tolist()]
    assert collate([PairDataset(source, *parts)[0]]).label is None
