"""One damaged file, or too little memory, costs its own video in every benchmark and no other."""

import json
import os
import signal
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.benchmarks.kitti_flow import KittiFlow
from siammae.evaluation.benchmarks.kitti_mots import KittiMots
from siammae.evaluation.benchmarks.kitti_step import KittiStep
from siammae.evaluation.benchmarks.linear_parts import LinearParts
from siammae.evaluation.benchmarks.uvo import Uvo
from siammae.evaluation.benchmarks.vip import Vip
from siammae.evaluation.benchmarks.vspw import Vspw
from siammae.evaluation.propagation.protocol import Propagation

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
FRAMES = 5
SHAPES = [(32, 48), (32, 56), (32, 40)]  # of the videos; the first is the one that is damaged


class Colours:
    """A patch's mean pixel as its feature."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def scene(shape, t):
    ids = np.zeros(shape, np.uint8)
    ids[8:20, 4 + 2 * t : 16 + 2 * t] = 1
    ids[20:30, 20:32] = 2
    return ids


def pixels(ids):
    return np.array([(90, 90, 90), (220, 40, 40), (40, 40, 220)], np.uint8)[ids]


def write_videos(root, frames, labels, names, write, first=0):
    """Write frames and label images; the patterns have a place for the video and the time."""
    for name, shape in zip(names, SHAPES, strict=True):
        for t in range(FRAMES):
            for pattern, content in ((frames, pixels), (labels, None)):
                path = root / pattern.format(name, t + first)
                path.parent.mkdir(parents=True, exist_ok=True)
                ids = scene(shape, t)
                write(path, ids) if content is None else Image.fromarray(content(ids)).save(path)


def listed(path, names):
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{name}\n" for name in names))


def davis(root):
    names = ["walk", "run", "swim"]
    places = "JPEGImages/480p/{}/{:05d}.jpg", "Annotations/480p/{}/{:05d}.png"
    write_videos(root, *places, names, write_ids)
    listed(root / "ImageSets/2017/val.txt", names)
    return Davis(str(root), PROTOCOL)


def vip(root):
    names = ["videos1", "videos2", "videos3"]
    write_videos(root, "Images/{}/{:05d}.jpg", "Category_ids/{}/{:05d}.png", names, write_ids)
    listed(root / "lists/val_videos.txt", names)
    return Vip(str(root), PROTOCOL)


def linear(root):
    benchmark = vip(root)
    (root / "lists/val_videos.txt").write_text("videos2\nvideos3\nvideos1\nvideos0\n")
    for folder in (root / "Images", root / "Category_ids"):
        (folder / "videos0").symlink_to(folder / "videos2")
    assert benchmark.videos()[2:] == ["videos1", "videos0"]
    return LinearParts(str(root))


def vspw(root):
    names = ["a", "b", "c"]
    places = "data/{}/origin/{:08d}.jpg", "data/{}/mask/{:08d}.png"
    write_videos(root, *places, names, write_ids)
    (root / "val.txt").write_text("\n".join(names))
    return Vspw(str(root), PROTOCOL)


def kitti_step(root):
    def write(path, ids):
        whole = np.stack((np.where(ids > 0, 13, 0), ids * 0, ids), axis=-1)
        Image.fromarray(whole.astype(np.uint8)).save(path)

    places = "images/other/{}/{:06d}.png", "panoptic_maps/other/{}/{:06d}.png"
    write_videos(root, *places, ["0002", "0006", "0007"], write)
    return KittiStep(str(root), PROTOCOL, split="other")


def kitti_mots(root):
    def write(path, ids):
        Image.fromarray(np.where(ids > 0, 1000 + ids.astype(np.uint16), 0).astype("u2")).save(path)

    places = "training/image_02/{}/{:06d}.png", "instances/{}/{:06d}.png"
    write_videos(root, *places, ["0002", "0006", "0007"], write)
    return KittiMots(str(root), PROTOCOL, sequences=None)


def kitti_flow(root):
    for number, shape in enumerate(SHAPES):
        for t in (10, 11):
            path = root / f"training/image_2/{number:06d}_{t}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(scene(shape, t - 10))).save(path)
        flow = np.dstack([np.full(shape, value, np.uint16) for value in (1, 2**15, 2**15 + 128)])
        (root / "training/flow_noc").mkdir(exist_ok=True)
        cv2.imwrite(str(root / f"training/flow_noc/{number:06d}_10.png"), flow)
    return KittiFlow(str(root), PROTOCOL, allow_missing=True)


def jhmdb(root):
    names = ["walk/one", "walk/two", "walk/three"]
    folder = root / "joint_positions"

    def write(path, ids):  # one file a clip
        joints = np.random.default_rng(0).uniform(4, 30, (2, 15, 1)).repeat(FRAMES, 2)
        savemat(path, {"pos_img": joints})

    places = "Rename_Images/{}/{:05d}.png", "joint_positions/{}/joint_positions.mat"
    write_videos(root, *places, names, write, first=1)
    listed(root / "splits/walk_test_split1.txt", [f"{name[5:]}.avi 2" for name in names])
    assert folder.is_dir()
    return Jhmdb(str(root), PROTOCOL)


def code(mask):
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat)).astype(int)))
    counts = np.diff(np.concatenate(([0], edges, [flat.size])))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def uvo(root):
    names, content = ["u1", "u2", "u3"], {"videos": [], "annotations": []}
    for number, (name, shape) in enumerate(zip(names, SHAPES, strict=True)):
        files = [f"{name}/{t}.png" for t in range(FRAMES)]
        video = {"id": number, "ytid": name, "height": shape[0], "width": shape[1]}
        content["videos"].append({**video, "file_names": files})
        for label in (1, 2):
            codes = [code(scene(shape, t) == label) for t in range(FRAMES)]
            content["annotations"].append({"video_id": number, "segmentations": codes})
    write_videos(root, "uvo_videos_dense_frames/{}/{}.png", "unused/{}/{}.png", names, write_ids)
    benchmark = Uvo(str(root), PROTOCOL)
    benchmark.annotations.parent.mkdir()
    benchmark.annotations.write_text(json.dumps(content))
    return benchmark


def bomb(path):
    """A PNG of 60000 x 60000 pixels, with the right checksums."""

    def part(kind, content):
        return struct.pack(">I", len(content)) + kind + content + part_sum(kind + content)

    def part_sum(data):
        return zlib.crc32(data).to_bytes(4)

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    parts = part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0" * 9)) + part(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


DAMAGES = {
    "noise": lambda path: path.write_bytes(b"no image at all"),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "bomb": bomb,
    "another size": lambda path: Image.new("L", (8, 8)).save(path, "PNG"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
BENCHMARKS = [davis, vip, linear, vspw, kitti_step, kitti_mots, kitti_flow, jhmdb, uvo]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("make", BENCHMARKS, ids=lambda make: make.__name__)
def test_a_damaged_file_costs_its_video_only(tmp_path, make, damage):
    benchmark = make(tmp_path)
    *_, victim = reversed(benchmark.videos())
    column = benchmark.units[0]
    whole = benchmark.evaluate(Colours())
    assert whole.failed == {}
    assert whole.videos == 4 if make is linear else 3
    files = [*benchmark.frames(victim)[-1:]]
    files += benchmark.label_files(victim)[-1:] if make not in (uvo, jhmdb, linear) else []
    files += [benchmark.files.mat(victim)] if make is jhmdb and damage != "a folder" else []
    files += [benchmark.files.annotated(victim)[0][1]] if make is linear else []
    for path in files:
        before = path.read_bytes()
        DAMAGES[damage](path)
        benchmark.fingerprint()
        result = benchmark.evaluate(Colours())
        assert list(result.failed) == [victim]
        assert "\n" not in result.failed[victim]
        others = [row for row in whole.per_object if row[column] != victim]
        assert result.per_object == others
        assert others
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(before)


WRONG = {
    "height": "32",
    "width": 48.0,
    "id": [1],
    "file_names": [3],
    "ytid": {"a": 1},
    "segmentations": [3] * FRAMES,
}
CODES = [
    *[{"size": size, "counts": [1536]} for size in ("32", ["32", 48], [32.0, 48], [32], None)],
    {"size": [-32, -48], "counts": [1536]},
    {"size": [10**20, 10**20], "counts": [10**40]},
    *[{"size": [32, 48], "counts": counts} for counts in ([1536.0], ["1536"], {"a": 1}, None, 3)],
    *[{"size": [32, 48], "counts": counts} for counts in ([True], [], "\ud800", "~", [-1, 1537])],
    *["text", 3, [], {}],
]


def changed(benchmark, change):
    content = json.loads(benchmark.annotations.read_text())
    change(content)
    benchmark.annotations.write_text(json.dumps(content))
    return benchmark.evaluate(Colours())


@pytest.mark.parametrize("wrong", CODES, ids=str)
def test_a_wrong_run_length_code_costs_its_video_only(tmp_path, wrong):
    def change(content):
        content["annotations"][0]["segmentations"][3] = wrong

    assert list(changed(uvo(tmp_path), change).failed) == ["u1"]


@pytest.mark.parametrize("key", WRONG)
def test_a_value_of_a_wrong_kind_in_uvo_s_json_costs_its_video_only(tmp_path, key):
    def change(content):
        content["annotations" if key == "segmentations" else "videos"][0][key] = WRONG[key]
        if key == "id":  # nobody can refer to it
            content["annotations"] = content["annotations"][2:]

    benchmark = uvo(tmp_path)
    whole = benchmark.evaluate(Colours())
    result = changed(benchmark, change)
    assert list(result.failed) == ["videos[0]" if key == "ytid" else "u1"]
    assert result.per_object == [row for row in whole.per_object if row["video"] != "u1"]


@pytest.mark.parametrize("name", ["../u1", "/u1", ""])
def test_a_name_in_uvo_s_json_does_not_lead_out_of_its_folder(tmp_path, name):
    def change(content):
        content["videos"][0]["file_names"][0] = f"{name}/0.png"

    assert "file_names" in changed(uvo(tmp_path), change).failed["u1"]


class Greedy(Colours):
    """Asks for more memory than there is for images of 48 pixels' width."""

    def __init__(self, ask):
        self.ask = ask

    def __call__(self, images):
        if images.shape[-1] == SHAPES[0][1]:
            self.ask()
        return super().__call__(images)


@pytest.mark.parametrize(
    "ask", [lambda: torch.empty(10**16), lambda: np.empty(10**16), lambda: bytearray(10**16)]
)
def test_too_little_memory_costs_its_video_only(tmp_path, ask):
    result = davis(tmp_path).evaluate(Greedy(ask))
    assert list(result.failed) == ["walk"]
    assert "memory" in result.failed["walk"]
    assert {row["sequence"] for row in result.per_object} == {"run", "swim"}


class Deadly(Davis):
    """Ends the process that scores a sequence, as the kernel does when memory is short."""

    def score(self, video, predicted):
        if video == "walk":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(video, predicted)


def test_the_death_of_a_process_that_scores_costs_its_video_only(tmp_path):
    whole = davis(tmp_path).evaluate(Colours())
    result = Deadly(str(tmp_path), PROTOCOL, workers=1).evaluate(Colours())
    assert list(result.failed) == ["walk"]
    assert "the process that scored it died" in result.failed["walk"]
    assert result.per_object == [row for row in whole.per_object if row["sequence"] != "walk"]
