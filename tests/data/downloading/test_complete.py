"""Each data set's layout as published, written by hand: whole, and with one thing missing."""

import json
import shutil

import pytest
import set_layouts
import yaml

from siammae.data.downloading.catalog import DataSet, load, names
from siammae.data.downloading.complete import inspect, read_list
from siammae.system.errors import DataError
from siammae.system.paths import CONFIGS


def write(root, paths, text="x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def davis2017(root):
    """30 sequences, 1999 frames, every frame with a mask."""
    lengths = [66] * 19 + [67] * 10 + [75]
    for number, length in enumerate(lengths):
        for t in range(length):
            name = f"480p/sequence-{number}/{t:05d}"
            write(root, [f"JPEGImages/{name}.jpg", f"Annotations/{name}.png"])
    listed = "\n".join(f"sequence-{number}" for number in range(30)) + "\n"
    write(root, ["ImageSets/2017/val.txt"], listed)
    return "Annotations/480p/sequence-7/00013.png"


def davis2016(root):
    lines = []
    for number in range(20):
        for t in range(3):
            name = f"480p/sequence-{number}/{t:05d}"
            write(root, [f"JPEGImages/{name}.jpg", f"Annotations/{name}.png"])
            lines.append(f"/JPEGImages/{name}.jpg /Annotations/{name}.png")
    write(root, ["ImageSets/480p/val.txt"], "\n".join(lines))
    return "JPEGImages/480p/sequence-19/00002.jpg"


def davis2016_in_2017(root):
    davis2016(root)
    (root / "ImageSets/480p/val.txt").unlink()
    write(root, ["ImageSets/2016/val.txt"], "\n".join(f"sequence-{n}" for n in range(20)))
    return "Annotations/480p/sequence-0/00001.png"


def jhmdb(root):
    for number in range(928):
        clip = f"action{number % 21}/clip {number} !@"
        write(root, [f"Rename_Images/{clip}/{t:05d}.png" for t in (1, 2)])
        write(root, [f"Rename_Images/{clip}/._00001.png"], "")
        write(root, [f"joint_positions/{clip}/joint_positions.mat"])
    write(root, [f"splits/action{n}_test_split{s}.txt" for n in range(21) for s in (1, 2, 3)])
    return "joint_positions/action5/clip 5 !@/joint_positions.mat"


def vip(root, labels="Annotations/Category_ids"):
    for number in range(50):
        for t in (1, 26, 51):
            name = f"videos{number}/{t:012d}"
            write(root, [f"Images/{name}.jpg", f"{labels}/{name}.png"])
    write(root, ["lists/val_videos.txt"], "\n".join(f"videos{n}" for n in range(50)))
    return "Images/videos3/000000000026.jpg"


def vip_of_the_code(root):
    vip(root, "Category_ids")
    lines = [f"videos{n}/{t:012d}" for n in range(50) for t in (1, 26, 51)]
    (root / "lists/val_videos.txt").unlink()
    write(root, ["lists/val_id.txt"], "\n".join(lines))
    return "Images/videos49/000000000051.jpg"


def vspw(root):
    videos = [f"{n}_-hIV{n}" for n in range(343)]
    for video in videos:
        for t in (1, 14):
            write(root, [f"data/{video}/origin/{t:08d}.jpg", f"data/{video}/mask/{t:08d}.png"])
    write(root, ["val.txt"], "\n".join(videos))
    return "data/12_-hIV12/origin/00000014.jpg"


def uvo(root):
    videos = [{"id": n, "ytid": f"-yt{n // 2 * 2}"} for n in range(256)]  # some have two clips
    write(root, [f"uvo_videos_dense_frames/{video['ytid']}/0.png" for video in videos])
    write(root, ["VideoDenseSet/UVO_video_val_dense.json"], json.dumps({"videos": videos}))
    return "uvo_videos_dense_frames/-yt100/0.png"


def kitti_step(root):
    val = {2, 6, 7, 8, 10, 13, 14, 16, 18}
    for number in range(21):
        part = "val" if number in val else "train"
        for t in range(3):
            name = f"{part}/{number:04d}/{t:06d}.png"
            write(root, [f"panoptic_maps/{name}", f"images/{name}"])
    return "images/val/0013/000001.png"


def kitti_mots(root, images="training/image_02"):
    for number in range(21):
        for t in range(3):
            name = f"{number:04d}/{t:06d}.png"
            write(root, [f"instances/{name}", f"{images}/{name}"])
    return f"{images}/0018/000000.png"


def kitti_mots_images(root):
    return kitti_mots(root, "images")


def kitti_mots_text(root, images="training/image_02"):
    for number in range(21):
        name = f"{number:04d}"
        write(
            root, [f"instances_txt/{name}.txt", *(f"{images}/{name}/{t:06d}.png" for t in (0, 1))]
        )
    return "instances_txt/0018.txt"


def kitti_mots_text_images(root):
    return kitti_mots_text(root, "images")


def kitti_flow(root):
    for pair in range(200):
        write(root, [f"training/image_2/{pair:06d}_{t}.png" for t in (10, 11)])
        write(root, [f"training/{kind}/{pair:06d}_10.png" for kind in ("flow_occ", "flow_noc")])
    return "training/image_2/000150_11.png"


WRITERS = {
    "davis2017": [davis2017],
    "davis2016": [davis2016, davis2016_in_2017],
    "jhmdb": [jhmdb],
    "vip": [vip, vip_of_the_code],
    "vspw": [vspw],
    "uvo": [uvo],
    "kitti_step": [kitti_step],
    "kitti_mots": [kitti_mots, kitti_mots_images, kitti_mots_text, kitti_mots_text_images],
    "kitti_flow": [kitti_flow],
}


def test_every_data_set_is_declared_well_and_looked_at_here():
    described = {name: load(name) for name in names()}
    looked_at = {*WRITERS, *set_layouts.WRITERS}
    assert {name for name, dataset in described.items() if not dataset.built_in} == looked_at
    assert {"sprites", "sprites_pose", "sprites_parts"} <= set(described)


def test_folders_are_those_of_the_benchmarks():
    for name in WRITERS:
        benchmark = CONFIGS / "benchmark" / f"{name}.yaml"
        if benchmark.is_file() and name != "davis2016":  # whose masks must not mix with 2017's
            assert load(name).root == yaml.safe_load(benchmark.read_text())["root"]


@pytest.mark.parametrize(
    ("name", "writer"), [(name, writer) for name in WRITERS for writer in WRITERS[name]]
)
def test_a_whole_set_is_complete_and_what_it_lacks_is_named(tmp_path, name, writer):
    dataset = load(name)
    assert not inspect(dataset, tmp_path / "nothing").complete
    lost = writer(tmp_path)
    assert inspect(dataset, tmp_path).lacks == []
    text = (tmp_path / lost).read_text()
    (tmp_path / lost).unlink()
    lacks = "\n".join(inspect(dataset, tmp_path).lacks)
    named = {"uvo": "-yt100", "kitti_mots": "no sequence (1): 0018"}.get(name, lost)
    assert lost in lacks or named in lacks
    write(tmp_path, [lost], "")
    lacks = "\n".join(inspect(dataset, tmp_path).lacks)
    assert lost in lacks or named in lacks  # empty is missing
    write(tmp_path, [lost], text)
    assert inspect(dataset, tmp_path).complete


def test_a_missing_sequence_and_a_lost_frame_of_davis(tmp_path):
    davis2017(tmp_path)
    dataset = load("davis2017")
    assert (
        "JPEGImages/480p/{sequence}/{frame}.jpg: 30 sequences, 1999 files"
        in inspect(dataset, tmp_path).found
    )
    for kind in ("JPEGImages", "Annotations"):
        shutil.rmtree(tmp_path / kind / "480p/sequence-4")
    lacks = "\n".join(inspect(dataset, tmp_path).lacks)
    assert "JPEGImages/480p/{sequence}/{frame}.jpg: no sequence (1): sequence-4" in lacks
    assert "Annotations/480p/{sequence}/{frame}.png: 1933 of 1999 files" in lacks
    write(tmp_path, ["JPEGImages/480p/sequence-4/00000.jpg"])
    lacks = "\n".join(inspect(dataset, tmp_path).lacks)
    assert "JPEGImages/480p/{sequence}/{frame}.jpg: no sequence" not in lacks


def test_whole_folders_that_are_missing_are_reported_as_such(tmp_path):
    davis2017(tmp_path)
    for number in (4, 11):
        shutil.rmtree(tmp_path / f"JPEGImages/480p/sequence-{number}")
    (tmp_path / "JPEGImages/480p/sequence-2/00007.jpg").unlink()
    lacks = inspect(load("davis2017"), tmp_path).lacks
    assert "no files in (2): JPEGImages/480p/sequence-11, JPEGImages/480p/sequence-4" in lacks
    assert "missing (1): JPEGImages/480p/sequence-2/00007.jpg" in lacks


def test_a_list_that_is_missing_is_reported_with_the_rest(tmp_path):
    (tmp_path / vspw(tmp_path)).unlink()
    (tmp_path / "val.txt").unlink()
    assert inspect(load("vspw"), tmp_path).lacks == [
        "val.txt is missing: it lists the videos",
        "missing (1): data/12_-hIV12/origin/00000014.jpg",
    ]


def test_long_lists_of_names_are_cut(tmp_path):
    expected = [{"files": "{video}.mp4", "listed": {"video": [f"v{n:02d}" for n in range(50)]}}]
    dataset = DataSet(title="t", root="r", manual="m", layouts={"one": expected})
    (line,) = [line for line in inspect(dataset, tmp_path).lacks if "v00" in line]
    assert line.startswith("{video}.mp4: no video (50): v00, v01")
    assert line.endswith("v08, v09 and 40 more")


def test_names_may_hold_what_a_glob_takes_for_itself(tmp_path):
    expected = [{"files": "[a]/{video}/x.{end}", "listed": {"video": ["v[1]*", "w?"]}}]
    dataset = DataSet(title="t", root="r", manual="m", layouts={"one": expected})
    write(tmp_path, ["[a]/v[1]*/x.mp4", "[a]/v1/x.mp4", "[a]/wx/x.mp4"])
    (line,) = inspect(dataset, tmp_path).lacks[:1]
    assert line.endswith("no video (1): w?")


def test_the_layout_that_is_nearest_is_reported(tmp_path):
    lost = vip_of_the_code(tmp_path)
    (tmp_path / lost).unlink()
    state = inspect(load("vip"), tmp_path)
    assert state.layout == "label folders beside Images, list of frames"
    assert state.lacks == [f"missing (1): {lost}"]


@pytest.mark.parametrize("text", ["{", "[]", '{"videos": [{"id": 1}]}'])
def test_a_list_of_another_kind(tmp_path, text):
    write(tmp_path, ["a.json"], text)
    with pytest.raises(DataError, match=r"a\.json lists no names"):
        read_list(tmp_path / "a.json")
