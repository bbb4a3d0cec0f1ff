"""Files that macOS leaves behind are none of a data set's, wherever it is listed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.benchmarks.kitti_flow import KittiFlow
from siammae.evaluation.benchmarks.kitti_mots import KittiMots
from siammae.evaluation.benchmarks.kitti_step import KittiStep
from siammae.evaluation.benchmarks.vip import Vip
from siammae.evaluation.benchmarks.vspw import Vspw
from siammae.evaluation.files.listing import visible
from siammae.evaluation.propagation.protocol import Propagation

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
SHAPE = (16, 24)


def image(path: Path, t: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SHAPE, 3), 40 * t, np.uint8)).save(path)


def mask(path: Path, t: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.zeros(SHAPE, np.uint8)
    ids[4:12, 2 + t : 12 + t] = 1
    write_ids(path, ids)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def davis(root):
    """Without a list: every folder of masks is a sequence."""
    for t in range(4):
        image(root / f"JPEGImages/480p/bear/{t:05d}.jpg", t)
        mask(root / f"Annotations/480p/bear/{t:05d}.png", t)
    return Davis(str(root), PROTOCOL)


def vip(root):
    for t in range(3):
        image(root / f"Images/videos1/{25 * t + 1:012d}.jpg", t)
        mask(root / f"Annotations/Category_ids/videos1/{25 * t + 1:012d}.png", t)
    text(root / "lists/val_videos.txt", "videos1\n")
    return Vip(str(root), PROTOCOL)


def vspw(root):
    for t in range(3):
        image(root / f"data/1_a/origin/{t:08d}.jpg", t)
        mask(root / f"data/1_a/mask/{t:08d}.png", t)
    text(root / "val.txt", "1_a\n")
    return Vspw(str(root), PROTOCOL)


def jhmdb(root):
    from scipy.io import savemat

    for t in range(3):
        image(root / f"Rename_Images/run/clip/{t + 1:05d}.png", t)
    folder = root / "joint_positions/run/clip"
    folder.mkdir(parents=True)
    joints = np.random.default_rng(0).uniform(2, 12, (2, 15, 3))
    savemat(folder / "joint_positions.mat", {"pos_img": joints})
    text(root / "splits/run_test_split1.txt", "clip.avi 2\n")
    return Jhmdb(str(root), PROTOCOL)


def kitti_step(root):
    for t in range(3):
        image(root / f"images/val/0002/{t:06d}.png", t)
        image(root / f"panoptic_maps/val/0002/{t:06d}.png", 0)
    return KittiStep(str(root), PROTOCOL, allow_missing=True)


def kitti_mots(root):
    for t in range(3):
        image(root / f"training/image_02/0002/{t:06d}.png", t)
        ids = np.zeros(SHAPE, np.uint16)
        ids[4:12, 2 + t : 12 + t] = 1001
        path = root / f"instances/0002/{t:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(path)
    return KittiMots(str(root), PROTOCOL, sequences=None)


def kitti_flow(root):
    import cv2

    for t in (10, 11):
        image(root / f"training/image_2/000000_{t}.png", t - 9)
    (root / "training/flow_noc").mkdir(parents=True)
    flow = np.full((*SHAPE, 3), 2**15, np.uint16)
    flow[..., 0] = 1  # known
    cv2.imwrite(str(root / "training/flow_noc/000000_10.png"), flow)
    return KittiFlow(str(root), PROTOCOL, allow_missing=True)


@pytest.mark.parametrize("write", [davis, vip, vspw, jhmdb, kitti_step, kitti_mots, kitti_flow])
def test_they_change_nothing(tmp_path, write):
    benchmark = write(tmp_path)
    videos, before = benchmark.videos(), benchmark.fingerprint()
    frames = [benchmark.frames(video) for video in videos]
    result = benchmark.copy_first_mask()
    for path in list(tmp_path.rglob("*")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        hidden = folder / ".AppleDouble"
        hidden.mkdir()
        for path in [path for path in folder.iterdir() if path.is_file()]:
            (hidden / path.name).write_bytes(b"\0\5\26\7")
    benchmark.prepare()
    assert benchmark.videos() == videos
    assert benchmark.fingerprint() == before
    assert [benchmark.frames(video) for video in videos] == frames
    again = benchmark.copy_first_mask()
    assert again.failed == {}
    assert again.as_dict() == result.as_dict()


def test_a_root_may_itself_be_hidden(tmp_path):
    folder = tmp_path / ".data"
    folder.mkdir()
    for name in ("b.png", "a.png", "._a.png"):
        (folder / name).write_text("")
    assert visible(folder, "*.png") == [folder / "a.png", folder / "b.png"]
    assert visible(tmp_path / "none", "*") == []
