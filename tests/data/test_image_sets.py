"""DAVIS, VSPW, UVO and KITTI raw on small trees in exactly their layouts, through their configs."""

import json

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from siammae.config.check import read_settings
from siammae.data.sets.kitti_raw import rate_of
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError, DataError
from siammae.system.paths import CONFIGS


def write(folder, names, size=(40, 24)):
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        Image.new("RGB", size, (place, 0, 0)).save(folder / name)


@pytest.fixture
def source(tmp_path):
    """The set of an option, as ``siammae.train`` builds it."""

    def make(option, *overrides):
        register_with_hydra()
        arguments = [f"data={option}", f"data.root={tmp_path}", *overrides]
        with initialize_config_dir(str(CONFIGS)):
            return read_settings(compose("train", arguments)).build("data")

    return make


def names(source, root):
    return [path.relative_to(root).as_posix() for path in source.videos()]


def first(source, clip=0):
    """Of a clip: frames, rate, and the red of its frames, which is their place."""
    opened = source.footage().open(clip)
    return opened.frames, opened.fps, opened.read(range(opened.frames))[:, 0, 0, 0].tolist()


@pytest.fixture
def davis(tmp_path):
    lists = {"train": ["bear", "bmx-bumps"], "val": ["bike-packing"], "test-dev": ["aerobatics"]}
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    for split, listed in lists.items():
        text = "".join(f"{name}\n" for name in listed)
        (tmp_path / "ImageSets" / "2017" / f"{split}.txt").write_text(text)
        for name in listed:
            for resolution, size in (("480p", (40, 24)), ("Full-Resolution", (90, 54))):
                frames = [f"{t:05d}.jpg" for t in range(4)]
                write(tmp_path / "JPEGImages" / resolution / name, frames, size)
            write(tmp_path / "Annotations" / "480p" / name, ["00000.png"])
    return tmp_path


def test_davis_is_its_training_sequences(davis, source):
    assert names(source("davis"), davis) == ["JPEGImages/480p/bear", "JPEGImages/480p/bmx-bumps"]
    frames, fps, _ = first(source("davis"))
    assert (frames, fps) == (4, 24)
    full = source("davis", "data.resolution=Full-Resolution", "data.short_side=null")
    assert full.footage().open(0).read([0, 3]).shape == (2, 54, 90, 3)
    assert names(source("davis", "data.split=test-dev"), davis) == ["JPEGImages/480p/aerobatics"]


@pytest.mark.parametrize("split", ["val", "trainval"])
def test_davis_refuses_what_its_benchmark_measures(davis, source, split):
    with pytest.raises(ConfigError, match="1 of its clips, such as bike-packing, are measured by"):
        source("davis", f"data.split={split}").footage()
    allowed = source("davis", f"data.split={split}", "data.allow_measured=true")
    assert names(allowed, davis)[-1] == "JPEGImages/480p/bike-packing"


def test_davis_says_a_missing_list_folder_and_sequence(davis, source):
    with pytest.raises(DataError, match=r"trian\.txt: no such list; there are: .*mean 'train'"):
        source("davis", "data.split=trian").videos()
    with pytest.raises(DataError, match="JPEGImages/1080p: no such folder; a DAVIS root holds"):
        source("davis", "data.resolution=1080p").videos()
    (davis / "ImageSets" / "2017" / "train.txt").write_text("bear\ngone\n")
    listed = source("davis")
    before = listed.fingerprint()
    with pytest.raises(DataError, match="gone cannot be read"):
        listed.footage().open(1)
    write(davis / "JPEGImages" / "480p" / "gone", ["00000.jpg"])
    assert listed.fingerprint() != before


def test_vspw_has_numbers_with_gaps_and_empty_images(tmp_path, source):
    """Videos named with dashes; of one of them two images of the source video are empty."""
    for name, numbers in {"127_-hIVCYO4C90": (1, 3, 5, 101), "988_f_Xvy_DCPt8": range(8)}.items():
        write(tmp_path / "data" / name / "origin", [f"{k:08d}.jpg" for k in numbers])
        write(tmp_path / "data" / name / "mask", [f"{k:08d}.png" for k in numbers])
    write(tmp_path / "data" / "9_val" / "origin", ["00000001.jpg"])
    (tmp_path / "train.txt").write_text("127_-hIVCYO4C90\r\n988_f_Xvy_DCPt8\r\n")
    (tmp_path / "val.txt").write_text("9_val\n")
    for number in (2, 7):
        (tmp_path / "data/988_f_Xvy_DCPt8/origin" / f"{number:08d}.jpg").write_bytes(b"")
    made = source("vspw")
    expected = ["data/127_-hIVCYO4C90/origin", "data/988_f_Xvy_DCPt8/origin"]
    assert names(made, tmp_path) == expected
    assert first(made)[:2] == (4, 15)
    assert made.footage().open(1).frames == 4  # 3 to 6
    with pytest.raises(ConfigError, match="9_val, are measured by benchmark=vspw"):
        source("vspw", "data.split=val").videos()


@pytest.fixture
def uvo(tmp_path):
    (tmp_path / "VideoDenseSet").mkdir()
    for split, listed in {"train": ["-aBc_1", "twice", "twice"], "val": ["zzz"]}.items():
        text = json.dumps({"videos": [{"id": i, "ytid": y} for i, y in enumerate(listed)]})
        (tmp_path / "VideoDenseSet" / f"UVO_video_{split}_dense.json").write_text(text)
    return tmp_path


FRAMES = [f"{k}.png" for k in range(12)]


def test_uvo_as_frames_without_leading_zeros(uvo, source):
    for name in ("-aBc_1", "twice", "zzz"):
        write(uvo / "uvo_videos_dense_frames" / name, FRAMES)
    made = source("uvo")
    folder = "uvo_videos_dense_frames"
    assert names(made, uvo) == [f"{folder}/-aBc_1", f"{folder}/twice"]
    assert first(made) == (12, 30, list(range(12)))
    with pytest.raises(ConfigError, match="measured by benchmark=uvo"):
        source("uvo", "data.split=val").videos()
    with pytest.raises(ConfigError, match=r"data.split=all.*data.allow_measured=true"):
        source("uvo", "data.split=all").videos()
    everything = source("uvo", "data.split=all", "data.allow_measured=true")
    assert [path.name for path in everything.videos()] == ["-aBc_1", "twice", "zzz"]


def test_uvo_as_videos(uvo, source, clip_maker):
    (uvo / "uvo_videos_dense").mkdir()
    for name in ("-aBc_1", "twice"):
        clip_maker(uvo / "uvo_videos_dense" / f"{name}.mp4", 20)
    made = source("uvo")
    assert names(made, uvo) == ["uvo_videos_dense/-aBc_1.mp4", "uvo_videos_dense/twice.mp4"]
    assert made.footage().open(0).fps == 30
    assert len(made.fingerprint()) == 10
    with pytest.raises(DataError, match="uvo_videos_dense_frames: no such folder; a UVO root"):
        source("uvo", "data.form=frames").videos()
    with pytest.raises(ConfigError, match="form=film: must be one of auto, frames, videos"):
        source("uvo", "data.form=film")


def test_uvo_without_annotations_or_with_others(uvo, source):
    write(uvo / "uvo_videos_dense_frames" / "other", FRAMES)
    with pytest.raises(DataError, match="holds no clip of train"):
        source("uvo").videos()
    path = uvo / "VideoDenseSet" / "UVO_video_train_dense.json"
    path.write_text("[]")
    with pytest.raises(DataError, match="is not in UVO's form"):
        source("uvo").videos()
    path.unlink()
    with pytest.raises(DataError, match=r"UVO_video_train_dense\.json: no such file"):
        source("uvo").videos()


@pytest.fixture
def kitti(tmp_path):
    for date, drive in (("2011_09_26", "0001"), ("2011_09_26", "0002"), ("2011_09_28", "0001")):
        for kind in ("sync", "extract"):
            for camera in range(4):
                folder = tmp_path / date / f"{date}_drive_{drive}_{kind}" / f"image_{camera:02d}"
                write(folder / "data", [f"{k:010d}.png" for k in range(3)])
                times = (f"2011-09-26 13:02:{25 + k / 4:012.9f}\n" for k in range(3))
                (folder / "timestamps.txt").write_text("".join(times))
    (tmp_path / "2011_09_26" / "calib_cam_to_cam.txt").write_text("")
    return tmp_path


def test_kitti_is_each_colour_camera_of_each_drive(kitti, source):
    made = source("kitti_raw")
    expected = [
        f"{date}/{date}_drive_{drive}_sync/image_0{camera}/data"
        for date, drive in (("2011_09_26", "0001"), ("2011_09_26", "0002"), ("2011_09_28", "0001"))
        for camera in (2, 3)
    ]
    assert names(made, kitti) == expected
    assert first(made) == (3, 10, [0, 1, 2])
    grey = source("kitti_raw", "data.cameras=[0]", "data.kind=extract")
    assert names(grey, kitti)[0] == "2011_09_26/2011_09_26_drive_0001_extract/image_00/data"
    fewer = source("kitti_raw", "data.exclude=[2011_09_26_drive_0001,2011_09_28_drive_0001]")
    assert {path.parts[-3] for path in fewer.videos()} == {"2011_09_26_drive_0002_sync"}


def test_kitti_without_the_folders_of_dates(kitti, source):
    found = source("kitti_raw", f"data.root={kitti / '2011_09_26'}")
    assert len(found.videos()) == 4


def test_kitti_says_its_own_rate(kitti, source, tmp_path):
    assert first(source("kitti_raw", "data.fps=null"))[1] == pytest.approx(4)
    assert rate_of(tmp_path / "none.txt") is None
    (tmp_path / "t.txt").write_text("yesterday\n")
    with pytest.raises(DataError, match=r"t\.txt holds what is no time"):
        rate_of(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("override", "error", "words"),
    [
        ("data.kind=both", ConfigError, "kind=both: must be one of sync, extract"),
        ("data.cameras=[4]", ConfigError, r"cameras=\[4\]: some of 0, 1, 2 and 3"),
        ("data.exclude=[0001]", ConfigError, "is no drive, such as 2011_09_26_drive_0001"),
        ("data.fps=0", ConfigError, "fps=0: must be above 0"),
        ("data.root=gone", DataError, "data.root=gone: no such folder"),
    ],
)
def test_kitti_refuses_what_it_does_not_know(kitti, source, override, error, words):
    with pytest.raises(error, match=words):
        source("kitti_raw", override).videos()


def test_kitti_of_another_kind_is_not_there(tmp_path, source):
    (tmp_path / "2011_09_26").mkdir()
    with pytest.raises(DataError, match="holds no images of kind=sync and cameras 2, 3; a root of"):
        source("kitti_raw").videos()
