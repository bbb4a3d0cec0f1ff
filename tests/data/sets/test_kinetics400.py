"""Kinetics-400 in the layouts that people have it in, on real clips."""

import csv
import shutil

import pytest

from siammae.data.sets.kinetics400 import Kinetics400
from siammae.system.errors import DataError

# Names as they are: one begins with a dash, as YouTube's ids may.
CLIPS = ["-3B32lodo2M_000059_000069", "__NrybzYzUg_000415_000425", "zzO7b_6Wvdw_000001_000011"]
STAND_IN = "replacement/replacement_for_corrupted_k400"


def names(source):
    return [path.stem for path in source.videos()]


def relative(source, root):
    return [path.relative_to(root).as_posix() for path in source.videos()]


def annotations(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
        writer.writerows(rows)
    return path


def row(clip, split="train", label="playing 'bass' guitar"):
    return [label, clip[:11], int(clip[12:18]), int(clip[19:25]), split]


@pytest.mark.parametrize(
    "folders",
    [
        ["train", "train", "train"],
        ["train/part_0", "train/part_0", "train/part_1"],
        ["k400/train", "k400/train", "k400/train"],
        ["train/clean and jerk", "train/clean and jerk", "train/playing 'squash' (or tennis)"],
        ["train2/clean_and_jerk", "train2/clean_and_jerk", "train2/training_dog"],
        ["train_256/clean_and_jerk", "train_256/testifying", "train_256/training_dog"],
        ["", "", ""],
        ["abseiling", "testifying", "training dog"],
        ["flat!-folder", "flat!-folder", "flat!-folder"],
    ],
)
def test_any_layout_gives_the_same_clips_in_the_same_order(put, tmp_path, folders):
    put(*(f"set/{folder}/{clip}.mp4" for folder, clip in zip(folders, CLIPS, strict=True)))
    source = Kinetics400(str(tmp_path / "set"))
    assert names(source) == CLIPS
    put(*(f"plain/{clip}.mp4" for clip in CLIPS))
    assert source.fingerprint() == Kinetics400(str(tmp_path / "plain")).fingerprint()
    assert source.footage().open(0).read([1, 3]).shape == (2, 64, 48, 3)


def test_the_fingerprint_says_other_clips_and_copies_of_another_size_apart(put, tmp_path):
    put(*(f"set/{clip}.mp4" for clip in CLIPS))
    source = Kinetics400(str(tmp_path / "set"))
    whole = source.fingerprint()
    (tmp_path / "set").rename(tmp_path / "moved")
    source.root = str(tmp_path / "moved")
    assert source.fingerprint() == whole
    with (tmp_path / "moved" / f"{CLIPS[1]}.mp4").open("ab") as file:
        file.write(b"more")
    other = source.fingerprint()
    (tmp_path / "moved" / f"{CLIPS[0]}.mp4").unlink()
    assert len({whole, other, source.fingerprint()}) == 3


def test_splits_are_folders(put, tmp_path):
    parts = dict(zip(("train", "val", "test"), CLIPS, strict=True))
    put(*(f"{split}/{clip}.mp4" for split, clip in parts.items()), "outside.mp4")
    root = str(tmp_path)
    for split, clip in parts.items():
        assert names(Kinetics400(root, split=split)) == [clip]
    assert names(Kinetics400(root, split="all")) == CLIPS
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(DataError, match=r"data\.split=val: no such folder .*has test, train"):
        Kinetics400(root, split="val").videos()
    with pytest.raises(ValueError, match="split=valid: there are train, val, test, all"):
        Kinetics400(root, split="valid")


def test_two_copies_of_a_split_are_not_mixed(put, tmp_path):
    put(f"train/{CLIPS[0]}.mp4", f"train_256/{CLIPS[0]}.mp4")
    with pytest.raises(DataError, match=r"several folders for train, train, train_256: name one"):
        Kinetics400(str(tmp_path)).videos()
    assert names(Kinetics400(str(tmp_path / "train_256"))) == CLIPS[:1]


def test_links_into_class_folders_beside_the_files_count_once(put, tmp_path):
    for path in put(*(f"k400/train/{clip}.mp4" for clip in CLIPS)):
        link = tmp_path / "videos/train/clean and jerk" / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    assert names(Kinetics400(str(tmp_path))) == CLIPS
    source = Kinetics400(str(tmp_path / "videos"))
    assert names(source) == CLIPS
    assert source.footage().open(2).frames > 1


@pytest.mark.parametrize("folder", [STAND_IN, "replacement_for_corrupted_k400"])
@pytest.mark.parametrize("inner", ["train", "train/some class"])
def test_replacements_stand_in_for_corrupted_clips(put, tmp_path, folder, inner):
    put(*(f"{inner}/{clip}.mp4" for clip in CLIPS[:2]))
    put(f"{folder}/{CLIPS[1]}.mp4", f"{folder}/{CLIPS[2]}.mp4")
    (tmp_path / f"{inner}/{CLIPS[1]}.mp4").write_bytes(b"corrupted")
    assert relative(Kinetics400(str(tmp_path)), tmp_path) == [
        f"{inner}/{CLIPS[0]}.mp4",
        f"{folder}/{CLIPS[1]}.mp4",  # for the corrupted one
        f"{folder}/{CLIPS[2]}.mp4",  # which is nowhere else
    ]


def test_a_folder_of_replacements_among_the_classes_is_no_class(put, tmp_path):
    put(*(f"train2/some_class/{clip}.mp4" for clip in CLIPS))
    put(f"train2/replacement_for_corrupted_k400/{CLIPS[0]}.mp4")
    found = relative(Kinetics400(str(tmp_path)), tmp_path)
    assert found[0] == f"train2/replacement_for_corrupted_k400/{CLIPS[0]}.mp4"
    assert len(found) == 3


def test_replacements_are_of_train(put, tmp_path):
    put(f"train/{CLIPS[0]}.mp4", f"val/{CLIPS[1]}.mp4", f"{STAND_IN}/{CLIPS[2]}.mp4")
    assert names(Kinetics400(str(tmp_path), split="val")) == [CLIPS[1]]
    assert names(Kinetics400(str(tmp_path), split="train")) == [CLIPS[0], CLIPS[2]]


def test_a_replacement_named_by_its_video_alone(put, tmp_path):
    put(*(f"train/{clip}.mp4" for clip in CLIPS), f"{STAND_IN}/{CLIPS[1][:11]}.mp4")
    found = relative(Kinetics400(str(tmp_path)), tmp_path)
    assert found[1] == f"{STAND_IN}/{CLIPS[1][:11]}.mp4"
    assert len(found) == 3


@pytest.mark.parametrize("where", ["annotations/train.csv", "train.csv", "elsewhere/k400.csv"])
def test_the_csv_of_a_split_chooses_its_clips(put, tmp_path, where):
    put(*(f"set/train/some class/{clip}.mp4" for clip in CLIPS))
    put(f"set/{STAND_IN}/{CLIPS[0]}.mp4")
    given = annotations(
        tmp_path / "set" / where, [row(CLIPS[0]), row(CLIPS[2]), row(CLIPS[1], "val")]
    )
    source = Kinetics400(str(tmp_path / "set"), clip_list=str(given))
    assert names(source) == [CLIPS[0], CLIPS[2]]
    assert relative(source, tmp_path)[0] == f"set/{STAND_IN}/{CLIPS[0]}.mp4"
    if where != "elsewhere/k400.csv":
        assert Kinetics400(str(given)).videos() == source.videos()
        inside = Kinetics400(str(tmp_path / "set"), clip_list=where)
        assert inside.videos() == source.videos()


def test_a_csv_of_all_splits(put, tmp_path):
    put(*(f"set/{clip[:11]}.mp4" for clip in CLIPS))  # names of a copy without times
    rows = [row(CLIPS[0], "train"), row(CLIPS[1], "validate"), row(CLIPS[2], "test")]
    given = str(annotations(tmp_path / "all.csv", rows))
    for split, clip in zip(("train", "val", "test"), CLIPS, strict=True):
        source = Kinetics400(str(tmp_path / "set"), split=split, clip_list=given)
        assert names(source) == [clip[:11]]
    everything = Kinetics400(str(tmp_path / "set"), split="all", clip_list=given)
    assert len(everything.videos()) == 3


def test_clips_that_the_csv_names_and_nobody_has_are_reported(put, tmp_path):
    put(*(f"set/train/{clip}.mp4" for clip in CLIPS[:2]))
    given = str(annotations(tmp_path / "train.csv", [row(clip) for clip in CLIPS]))
    source = Kinetics400(str(tmp_path / "set"), clip_list=given)
    wanted = (
        rf"train\.csv: 1 of the 3 clips .* missing below data\.root=.*: {CLIPS[2]}; data\.max_b"
    )
    with pytest.raises(DataError, match=wanted):
        source.videos()
    source.max_broken = 0.4
    assert names(source) == CLIPS[:2]


@pytest.mark.parametrize(
    "form", ["{path} 7", "{path} 0 -1", "{path},some label", '"{path}",7', "{path}"]
)
@pytest.mark.parametrize("absolute", [True, False])
def test_lists_of_paths_with_spaces(put, tmp_path, form, absolute):
    files = [f"train/clean and jerk/{clip}.mp4" for clip in CLIPS]
    put(*(f"set/{file}" for file in files), f"set/{STAND_IN}/{CLIPS[1]}.mp4")
    paths = [str(tmp_path / "set" / file) if absolute else file for file in files]
    text = "".join(form.format(path=path) + "\n" for path in [paths[2], *paths])
    (tmp_path / "set/train.csv").write_text(text)
    beside = Kinetics400(str(tmp_path / "set/train.csv"))
    assert names(beside) == CLIPS
    assert relative(beside, tmp_path)[1] == f"set/{STAND_IN}/{CLIPS[1]}.mp4"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/own.txt").write_text(text)
    given = Kinetics400(str(tmp_path / "set"), clip_list=str(tmp_path / "lists/own.txt"))
    assert given.videos() == beside.videos()
    (tmp_path / "set" / files[0]).unlink()
    with pytest.raises(DataError, match=r"train\.csv: 1 of the 3 clips that it names are missing"):
        beside.videos()


def test_a_list_of_paths_names_replacements_too(put, tmp_path):
    files = [f"{CLIPS[0]}.mp4", f"{STAND_IN}/{CLIPS[0]}.mp4", f"{STAND_IN}/{CLIPS[2]}.mp4"]
    put(*files, f"{STAND_IN}/{CLIPS[1]}.mp4")
    (tmp_path / "list.csv").write_text("".join(f"{file} 400\n" for file in files))
    assert relative(Kinetics400(str(tmp_path / "list.csv")), tmp_path) == files[1:]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"root": "gone"}, "data.root=gone: no such folder"),
        ({"root": "empty"}, "data.root=empty holds no video"),
        ({"root": "set", "clip_list": "gone.csv"}, "data.clip_list=gone.csv: no such file"),
        ({"root": "list.csv", "clip_list": "list.csv"}, "data.root is a list, and data.clip_list"),
        ({"root": "set", "clip_list": "list.csv"}, "list.csv lists no clip of data.split=train"),
        ({"root": "set", "clip_list": "bad.csv"}, "bad.csv, line 2: youtube_id, time_start"),
        ({"root": "set", "clip_list": "frames.txt"}, "no clip of data.split=train"),
    ],
)
def test_bad_input_is_one_clear_line(put, tmp_path, monkeypatch, arguments, expected):
    put(f"set/train/{CLIPS[0]}.mp4")
    (tmp_path / "empty").mkdir()
    annotations(tmp_path / "list.csv", [row(CLIPS[0], "test")])
    (tmp_path / "bad.csv").write_text("label,youtube_id\nx,y\n")
    (tmp_path / "frames.txt").write_text("frames_of_a_clip 0 300\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as raised:
        Kinetics400(**arguments).videos()
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)
