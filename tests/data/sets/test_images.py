"""Single images as a data set: layouts, order, classes, what is refused, auditing and packing."""

import os
import shutil

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from siammae.config.check import read_settings
from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.packing.layout import INDEX
from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.packed import Packed
from siammae.data.packing.write_pack import Packer
from siammae.data.sampling.batch import collate
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.mixture import Mixture
from siammae.data.sampling.same_frame import SameFrame
from siammae.data.sets.images import Images
from siammae.data.sets.labels import labels_of
from siammae.system.errors import DataError
from siammae.system.paths import CONFIGS


@pytest.fixture
def put(tmp_path):
    """Images below ``tmp_path``, each with its number as the red of its pixels."""

    def make(*names, size=(32, 24)):
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            form = "PNG" if path.suffix == ".png" else "JPEG"
            Image.new("RGB", size, (10 * number, 0, 0)).save(path, form)
        return tmp_path

    return make


def listed(source):
    root = os.path.commonpath([source.root, source.videos()[0]])
    return [os.path.relpath(path, root) for path in source.videos()]


def test_the_option_is_built_and_reads_single_frames(put):
    root = put("set/train/cat/1.JPEG", "set/train/dog/2.png")
    with initialize_config_dir(str(CONFIGS)):
        config = compose("train", ["method=mae", "data=images", f"data.root={root / 'set'}"])
        source = read_settings(config).build("data")
    assert isinstance(source, Images)
    assert source.has_single_images
    clips = source.footage()
    assert [clips.open(number).frames for number in range(2)] == [1, 1]
    assert clips.open(1).read([0]).tolist() == np.full((1, 24, 32, 3), (10, 0, 0)).tolist()
    smaller = Images(str(root / "set"), short_side=12).footage()
    assert smaller.open(0).read([0]).shape == (1, 12, 16, 3)
    assert Images(str(root / "set"), in_memory=True).footage().open(1).read([0]).shape[1:3] == (
        24,
        32,
    )


@pytest.mark.parametrize(
    ("names", "found", "classes"),
    [
        # ImageNet's, with and without what lies beside the training images.
        (
            ["train/n02/b.JPEG", "train/n01/c.JPEG", "val/n01/v.JPEG", "test/t.JPEG"],
            ["train/n01/c.JPEG", "train/n02/b.JPEG"],
            ["n01", "n02"],
        ),
        (["train/n1/b.JPEG", "notes/x.jpg"], ["train/n1/b.JPEG"], ["n1"]),
        # Tiny ImageNet's: a folder of images in each class.
        (["train/n1/images/b.JPEG", "val/images/v.JPEG"], ["train/n1/images/b.JPEG"], ["n1"]),
        # Classes below the root, whatever the endings.
        (
            ["dog/2.webp", "cat/x.PNG", "cat/10.jpg", "cat/9.jpeg", "dog/no.txt"],
            ["cat/10.jpg", "cat/9.jpeg", "cat/x.PNG", "dog/2.webp"],
            ["cat", "cat", "cat", "dog"],
        ),
        # No classes; with and without a training part.
        (["b.jpg", "a.jpg", ".c.jpg", "._d.jpg"], ["a.jpg", "b.jpg"], [None, None]),
        (["train/b.jpg", "val/a.jpg"], ["train/b.jpg"], [None]),
        (["train/b.jpg"], ["train/b.jpg"], [None]),
        # A class of trains.
        (["train/a.jpg", "bus/b.jpg"], ["bus/b.jpg", "train/a.jpg"], ["bus", "train"]),
    ],
)
def test_layouts_their_order_and_classes(put, names, found, classes):
    source = Images(str(put(*names)))
    assert listed(source) == found
    assert source.classes() == classes
    clips = source.footage()
    assert source.classes_of([clips.name(number) for number in range(len(clips))]) == classes


def test_labels_are_the_classes(put):
    root = put("train/b/1.jpg", "train/a/2.jpg", "train/b/3.jpg")
    labels = labels_of(Images(str(root)))
    assert (labels.names, labels.of_clips) == (["a", "b"], [0, 1, 1])
    put("train/4.jpg")
    with pytest.raises(DataError, match=r"data=images.*1 of 4 clips have no class, .*train/4\.jpg"):
        labels_of(Images(str(root)))


def test_a_class_of_an_odd_name_is_one_line_of_an_error(put):
    root = put("a\nb\x1b[31m/1.jpg", "a\nb\x1b[31m/2.jpg")
    with pytest.raises(DataError, match=r"1 class, a b\\x1b\[31m; ") as told:
        labels_of(Images(str(root)))
    assert len(str(told.value).splitlines()) == 1


def test_a_fingerprint_follows_names_and_sizes_and_not_the_place(put, tmp_path):
    put("x/train/a/1.jpg", "x/train/b/2.jpg")
    shutil.copytree(tmp_path / "x/train", tmp_path / "y")
    first = Images(str(tmp_path / "x")).fingerprint()
    assert Images(str(tmp_path / "y")).fingerprint() == first
    Image.new("RGB", (99, 98)).save(tmp_path / "x/train/b/2.jpg")
    assert Images(str(tmp_path / "x")).fingerprint() != first
    (tmp_path / "y/b").rename(tmp_path / "y/c")
    assert Images(str(tmp_path / "y")).fingerprint() != first


def test_what_is_missing_is_one_clear_line(put, tmp_path):
    (tmp_path / "film.mp4").touch()
    (tmp_path / "list.txt").touch()
    for name, words in (
        ("gone", "data.root=.*gone: no such folder"),
        ("list.txt", r"data.root=.*list\.txt: is a file; a folder of images is needed"),
        ("", r"data.root=.* holds no image \(looked for .*\.jpg"),
    ):
        with pytest.raises(DataError, match=words):
            Images(str(tmp_path / name)).videos()


def dataset_of(source, labels=None):
    return PairDataset(source, SameFrame(1), NoRotation(), PairAugment(16), 0, labels)


def test_a_broken_image_is_replaced_and_named(put, tmp_path):
    root = put(*(f"train/{name}/{k}.jpg" for name in "ab" for k in range(3)))
    (root / "train/a/1.jpg").write_bytes(b"no image")
    source = Images(str(root), max_broken=0.2)
    labels = labels_of(source).of_clips
    dataset = dataset_of(source, labels)
    batch = collate([dataset[visit] for visit in range(6)])
    ((name, why),) = batch.broken.items()
    assert name == str(root / "train/a/1.jpg")
    assert why == f"{name} cannot be read as an image: no known form"
    assert batch.label.tolist() == [labels[clip] for clip in batch.clip.tolist()]


def test_a_mixture_may_hold_some(put, tmp_path):
    root = put("one/1.jpg", "two/2.jpg")
    source = Mixture(
        {"a": Images(str(root / "one")), "b": Images(str(root / "two"))}, {"a": 1, "b": 3}
    )
    assert source.has_single_images
    samples = [sample for visit in range(4) for sample in dataset_of(source)[visit].samples]
    assert sorted(sample.clip for sample in samples) == [0, 0, 1, 1, 1, 1, 1, 1]


def pack(source, out, **changed):
    clips = source.footage()
    settings = PackSettings(source.fingerprint(), 1, 90, None, 256)
    how = (1, changed.get("max_broken", 0.0), lambda line: None, lambda *_: None)
    Packer(clips, out, settings, *how, source.classes(clips)).run()
    return Packed(root=str(out))


def test_a_pack_keeps_images_classes_and_order(put, tmp_path):
    root = put(*(f"set/train/{name}/{k}.jpg" for name in ("é b", "a") for k in range(3)))
    source = Images(str(root / "set"))
    packed = pack(source, tmp_path / "pack")
    assert packed.classes() == source.classes() == ["a"] * 3 + ["é b"] * 3
    assert labels_of(packed) == labels_of(source)
    clips = packed.footage()
    assert [clips.name(number) for number in range(6)] == [
        *(f"a/{k}.jpg" for k in range(3)),
        *(f"é b/{k}.jpg" for k in range(3)),
    ]
    kept, original = (dataset_of(each, None)[3].samples for each in (packed, source))
    assert [one.clip for one in kept] == [one.clip for one in original]
    assert np.abs(kept[0].frames[0].astype(int) - original[0].frames[0]).max() < 9
    assert packed.has_single_images
    (tmp_path / "pack" / INDEX).unlink()
    assert Packed(root=str(tmp_path / "pack")).classes() == source.classes()


def test_names_that_are_no_utf8_are_written_into_a_pack_as_text(put, tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    root = put(*(f"set/{name}/{odd}.jpg" for name in (odd, "a")))
    source = Images(str(root / "set"))
    packed = pack(source, tmp_path / "pack")
    assert packed.classes() == source.classes() == ["a", r"caf\xe9"]
    assert [packed.index.name(clip) for clip in (0, 1)] == [
        r"a/caf\xe9.jpg",
        r"caf\xe9/caf\xe9.jpg",
    ]


def test_an_audit_finds_the_broken_ones(put, tmp_path):
    root = put(*(f"set/train/{name}/{k}.png" for name in "ab" for k in range(2)), size=(40, 30))
    damaged = bytearray((root / "set/train/a/1.png").read_bytes())
    damaged[-20] ^= 1
    (root / "set/train/a/1.png").write_bytes(damaged)
    manifest = tmp_path / "m.parquet"
    rows = audit(Images(str(root / "set")), manifest, AuditSettings(workers=1))
    assert {row.path: (row.state, row.usable) for row in rows} == {
        "train/a/0.png": ("whole", 1),
        "train/a/1.png": ("broken", 0),
        "train/b/0.png": ("whole", 1),
        "train/b/1.png": ("whole", 1),
    }
    assert "checksum" in rows[1].reason
    good = rows[0]
    assert (good.reader, good.frames, good.width, good.height) == ("images", 1, 40, 30)
    source = Images(str(root / "set"), manifest=str(manifest))
    assert [path.name for path in source.footage().paths] == ["0.png", "0.png", "1.png"]
    assert source.classes() == ["a", "b", "b"]
    assert source.footage().open(2).read([0]).shape == (1, 30, 40, 3)
    assert source.fingerprint() != Images(str(root / "set")).fingerprint()
    assert pack(source, tmp_path / "pack").classes() == ["a", "b", "b"]
