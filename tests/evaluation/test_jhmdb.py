"""JHMDB through files in its layout: a square of 15 coloured patches moves over a grey ground."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from siammae.data.built_in.label_names import JOINTS
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.files.jhmdb import JhmdbFiles
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

PATCH = 8
PROTOCOL = Propagation(top_k=1, queue=1, radius=4, temperature=0.05)


class Colours:
    """A patch's mean pixel: tells the coloured patches apart."""

    device = torch.device("cpu")

    def __init__(self, patch_size=PATCH):
        self.patch_size, self.sizes = patch_size, []

    def __call__(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        pooled = torch.nn.functional.avg_pool2d(images, self.patch_size)
        return pooled.flatten(2).transpose(1, 2)


class Blind(Colours):
    """Features of no patch are like any of the first frame's, once it has passed."""

    def __call__(self, images):
        features = super().__call__(images)
        return features * (1 if len(self.sizes) == 1 else torch.nan)


def joint_path(frames, at=(24, 16), step=8):
    """Joints (2, 15, T), 0-based: the corners of patches in three rows of five."""
    number = np.arange(15)
    x, y = at[0] + PATCH * 2 * (number % 5), at[1] + PATCH * 2 * (number // 5)
    start = np.stack([x, y]).astype(float)[:, :, None]
    return start + step * np.arange(frames) * np.array([1, 0])[:, None, None]


def write_clip(root, clip, joints, size=(96, 160), **more):
    images = root / "Rename_Images" / clip
    images.mkdir(parents=True)
    colours = np.random.default_rng(0).integers(0, 256, (15, 3))
    ground = np.array([128, 128, 128])
    for t in range(joints.shape[2]):
        pixels = np.broadcast_to(ground, (*size, 3)).astype(np.uint8)
        for (x, y), colour in zip(joints[:, :, t].T.astype(int), colours, strict=True):
            if 0 <= x < size[1] and 0 <= y < size[0]:
                pixels[y : y + PATCH, x : x + PATCH] = colour
        Image.fromarray(pixels).save(images / f"{t + 1:05d}.png")
        (images / f"._{t + 1:05d}.png").write_bytes(b"\0\5\26\7")  # of macOS
    path = root / "joint_positions" / clip / "joint_positions.mat"
    path.parent.mkdir(parents=True)
    savemat(path, {"pos_img": joints + 1, **more})


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "JHMDB"
    write_clip(root, "walk/two_men_(1)", joint_path(4), scale=np.ones((1, 4)))
    write_clip(root, "run/one.man", joint_path(5, at=(16, 24)))
    (root / "splits").mkdir()
    (root / "splits/walk_test_split1.txt").write_text("two_men_(1).avi 2\r\nnobody.avi 1\r\n")
    (root / "splits/run_test_split1.txt").write_text("one.man.avi 2\n\n")
    (root / "splits/run_test_split2.txt").write_text("gone.avi 2\n")
    (root / "splits/._run_test_split1.txt").write_bytes(b"\0\5\26\7")
    return root


def change_mat(root, clip, **content):
    savemat(root / "joint_positions" / clip / "joint_positions.mat", content)


def test_only_test_clips_of_the_split_are_listed(root):
    assert Jhmdb(str(root), PROTOCOL).videos() == ["run/one.man", "walk/two_men_(1)"]
    with pytest.raises(DataError, match="of 1 of the 1 listed clips: run/gone"):
        Jhmdb(str(root), PROTOCOL, split=2).prepare()


def test_joints_count_from_one(root):
    """The file says 25 and 17 for the first pixel of a patch at column 24, row 16."""
    assert JhmdbFiles(root).joints("walk/two_men_(1)")[:, 0, 0].tolist() == [24, 16]


def test_perfect_features_find_every_joint_exactly(root):
    """Joints lie on corners of patches, where drawing and reading lose nothing: an error of one
    pixel anywhere would show."""
    benchmark = Jhmdb(str(root), PROTOCOL, top_cells=1)
    for clip in benchmark.videos():
        predicted = benchmark.predict(clip, Colours())
        np.testing.assert_allclose(predicted, benchmark.files.joints(clip), atol=1e-9)
    result = benchmark.evaluate(Colours())
    assert result.name == "jhmdb"
    assert result.value == result.metrics["PCK@0.1"] == 1.0
    assert result.metrics["PCK@0.1-customary"] == 1.0
    assert result.metrics["lost"] == 0.0
    assert len(result.per_object) == 30
    assert result.settings["clips"] == 2
    assert result.settings["official_clips"] == 268
    assert result.settings["top_k"] == 1


def test_true_joints_score_exactly_one(root):
    benchmark = Jhmdb(str(root), PROTOCOL)
    rows = [
        row
        for clip in benchmark.videos()
        for row in benchmark.score(clip, benchmark.files.joints(clip))
    ]
    figures = benchmark.total(rows)
    assert [figures[f"PCK@{a}"] for a in ("0.1", "0.2", "0.1-customary", "0.2-customary")] == [
        1.0
    ] * 4


def test_standing_still_is_right_while_the_way_is_short(root):
    """Box of 64 x 32 pixels: 4.3 and 8.6 pixels are allowed; a step is 8, the second is 16."""
    figures = Jhmdb(str(root), PROTOCOL).copy_first_mask().metrics
    assert figures["PCK@0.1"] == 0
    assert figures["PCK@0.2"] == pytest.approx(2 / 7)  # of 3 and 4 frames the first


@pytest.mark.parametrize(("patch", "grid"), [(16, (20, 20)), (8, (40, 40))])
def test_the_grid_follows_from_the_patch(root, patch, grid):
    features = Colours(patch)
    protocol = replace(PROTOCOL, input_size=[320, 320])
    predicted = Jhmdb(str(root), protocol).predict("walk/two_men_(1)", features)
    assert features.sizes[0] == (320, 320)
    assert tuple(side // patch for side in features.sizes[0]) == grid
    error = np.abs(predicted - joint_path(4))[:, :, 0]
    cell = np.array([160, 96]) / grid[::-1]
    assert (error.max(axis=1) <= cell / 2 + 0.1).all()  # rounding to the nearest cell, no more


def test_a_joint_outside_the_image_is_lost_and_the_others_are_not(root):
    joints = joint_path(4)
    joints[:, 14] = [[400], [300]]
    joints[:, 3, 2:] = -50
    write_clip(root, "walk/outside", joints)
    (root / "splits/walk_test_split1.txt").write_text("outside.avi 2\n")
    (root / "splits/run_test_split1.txt").unlink()
    result = Jhmdb(str(root), PROTOCOL, top_cells=1).evaluate(Colours())
    rows = {row["joint"]: row for row in result.per_object}
    assert rows["left ankle"]["found"] == 0
    assert rows["left ankle"]["PCK@0.2"] == 0
    assert rows["neck"]["PCK@0.1"] == 1
    assert result.metrics["PCK@0.1"] < result.metrics["PCK@0.1-customary"]


def test_lost_joints_are_wrong_unless_left_out(root):
    """Features that are no numbers lose every joint."""
    result = Jhmdb(str(root), PROTOCOL).evaluate(Blind())
    assert result.metrics["PCK@0.2"] == 0
    assert np.isnan(result.metrics["PCK@0.2-customary"])
    assert result.metrics["lost"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "run/one.man",
        "Rename_Images/run/one.man joint_positions/run/one.man/joint_positions.mat",
        "/a/joint_positions/run/one.man/joint_positions.mat /a/Rename_Images/run/one.man",
    ],
)
def test_list_files_of_all_three_kinds(root, tmp_path, line):
    path = tmp_path / "clips.txt"
    path.write_text(f"\n{line}\n")
    assert Jhmdb(str(root), PROTOCOL, list_file=str(path)).videos() == ["run/one.man"]


def test_list_files_that_cannot_be_used(root, tmp_path):
    path = tmp_path / "clips.txt"
    benchmark = Jhmdb(str(root), PROTOCOL, list_file=str(path))
    with pytest.raises(DataError, match=r"list_file=.*clips\.txt cannot be read"):
        benchmark.prepare()
    path.write_text("walk/a run/b\n")
    with pytest.raises(DataError, match="'walk/a run/b' names no single clip"):
        benchmark.prepare()
    path.write_text("one.man\n")
    with pytest.raises(DataError, match=r"'one\.man' names no single clip"):
        benchmark.prepare()
    path.write_text("\n")
    with pytest.raises(DataError, match="lists no clip"):
        benchmark.prepare()


def test_missing_clips_are_named_or_left_out(root):
    with (root / "splits/run_test_split1.txt").open("a") as file:
        file.write("ghost.avi 2\n")
    with pytest.raises(DataError, match=r"1 of the 3 listed clips: run/ghost; allow_missing=true"):
        Jhmdb(str(root), PROTOCOL).prepare()
    assert len(Jhmdb(str(root), PROTOCOL, allow_missing=True).videos()) == 2


def test_a_root_without_lists_is_told_the_layout(tmp_path):
    with pytest.raises(DataError, match=r"holds no ACTION_test_split1\.txt; a JHMDB root holds"):
        Jhmdb(str(tmp_path), PROTOCOL).prepare()


def test_a_list_that_is_none(root):
    (root / "splits/run_test_split1.txt").write_text("one.man.avi\n")
    with pytest.raises(DataError, match=r"'one\.man\.avi' is not 'CLIP\.avi 1' or"):
        Jhmdb(str(root), PROTOCOL).prepare()
    for path in (root / "splits").glob("*split1.txt"):
        path.write_text("one.man.avi 1\n")
    with pytest.raises(DataError, match="mark no clip with 2, for testing"):
        Jhmdb(str(root), PROTOCOL).prepare()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"pos_world": joint_path(4)}, "lacks 'pos_img'"),
        ({"pos_img": joint_path(4)[:, :14]}, r"pos_img is \(2, 14, 4\), not \(2, 15, frames\)"),
        ({"pos_img": joint_path(4)[:, :, 0]}, r"pos_img is \(2, 15\), not \(2, 15, frames\)"),
        ({"pos_img": joint_path(4) * np.nan}, "no finite numbers"),
        ({"pos_img": "joints"}, "pos_img is"),
        ({"pos_img": joint_path(6)}, r"has joints of 6 frames, but .*two_men_\(1\) holds 4"),
    ],
)
def test_a_clip_with_bad_joints_is_named_and_the_rest_measured(root, content, words):
    change_mat(root, "walk/two_men_(1)", **content)
    result = Jhmdb(str(root), PROTOCOL).evaluate(Colours())
    assert list(result.failed) == ["walk/two_men_(1)"]
    with pytest.raises(DataError, match=words):
        Jhmdb(str(root), PROTOCOL).control("walk/two_men_(1)")
    assert {row["clip"] for row in result.per_object} == {"run/one.man"}


@pytest.mark.parametrize("content", [b"", b"no matlab", b"MATLAB 5.0 MAT-file" + b"\0" * 400])
def test_a_damaged_mat_file(root, content):
    JhmdbFiles(root).mat("run/one.man").write_bytes(content)
    with pytest.raises(DataError, match=r"joint_positions\.mat (cannot be read|lacks)"):
        JhmdbFiles(root).joints("run/one.man")


def test_a_clip_without_frames(root):
    for path in (root / "Rename_Images/run/one.man").glob("0*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds 0 frame\(s\) 00001\.png; a clip needs two"):
        JhmdbFiles(root).frames("run/one.man")  # the files of macOS do not count


def test_fingerprint_follows_the_joints(root):
    benchmark = Jhmdb(str(root), PROTOCOL)
    before = benchmark.fingerprint()
    assert before == Jhmdb(str(root), Propagation(), workers=2).fingerprint()
    change_mat(root, "run/one.man", pos_img=joint_path(5, at=(16, 25)) + 1)
    assert benchmark.fingerprint() != before


def test_processes_can_score(root):
    benchmark = pickle.loads(pickle.dumps(Jhmdb(str(root), PROTOCOL)))
    joints = benchmark.files.joints("run/one.man")
    assert benchmark.score("run/one.man", joints)[0]["PCK@0.1"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"split": 4}, "split 4"), ({"sigma": 0}, "sigma > 0"), ({"top_cells": 0}, "top_cells >= 1")],
)
def test_settings_out_of_range(root, settings, words):
    with pytest.raises(ValueError, match=words):
        Jhmdb(str(root), PROTOCOL, **settings)


def test_a_protocol_that_scores_resized_masks_is_refused(root):
    protocol = replace(PROTOCOL, input_size=[320, 320], score_at="input")
    with pytest.raises(ValueError, match="joints are scored at the frames' size"):
        Jhmdb(str(root), protocol)


def test_real_clip(real_data, tmp_path):
    """Its joints are a detector's, written in 2013: the keys and the shape are those of the set."""
    source = real_data / "jhmdb"
    if not source.is_dir():
        pytest.skip("no jhmdb/ among the real data")
    (tmp_path / "Rename_Images").symlink_to(source / "Rename_Images")
    (tmp_path / "joint_positions").symlink_to(source / "joint_positions_ESTIMATED_not_gt")
    clip = "catch/Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2"
    (tmp_path / "clips.txt").write_text(f"{clip}\n")
    benchmark = Jhmdb(str(tmp_path), PROTOCOL, list_file=str(tmp_path / "clips.txt"))
    benchmark.prepare()
    joints = benchmark.files.joints(clip)
    assert joints.shape == (2, len(JOINTS), 40)
    assert joints[:, 0, 0].tolist() == [285.5, 105.5]
    assert 0 < benchmark.copy_first_mask().metrics["PCK@0.2"] < 1
