"""VSPW, on videos in its own layout."""

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.evaluation.benchmarks.vspw import Vspw
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
NAMES = ["127_-hIVCYO4C90", "12_short"]
NUMBERS = range(86, 86 + 3 * 20, 3)  # of the source video: every third was annotated
WALL, BALL, DOG = 9, 124, 30


class Colours:
    """A patch's mean pixel as its feature."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def classes(t):
    """Others to the left, void below, a ball that moves right and, from frame 5 on, a dog."""
    ids = np.full((32, 48), WALL, np.uint8)
    ids[:, :8], ids[28:] = 0, 255
    ids[8:20, 8 + t : 20 + t] = BALL
    if t >= 5:
        ids[:8, 40:] = DOG
    return ids


COLOURS = {0: (90, 90, 90), 255: (20, 20, 20), WALL: (200, 200, 40), BALL: (220, 40, 40)}
COLOURS[DOG] = (40, 40, 220)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "VSPW_480p"
    for name, length in zip(NAMES, (20, 9), strict=True):
        folders = [root / "data" / name / kind for kind in ("origin", "mask")]
        for folder in folders:
            folder.mkdir(parents=True)
        for t, number in enumerate(list(NUMBERS)[:length]):
            ids = classes(t)
            pixels = np.zeros((*ids.shape, 3), np.uint8)
            for label, colour in COLOURS.items():
                pixels[ids == label] = colour
            Image.fromarray(pixels).save(folders[0] / f"{number:08d}.jpg", quality=95)
            Image.fromarray(ids).save(folders[1] / f"{number:08d}.png")
    (root / "val.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return root


def test_the_control_by_hand(root):
    result = Vspw(str(root), PROTOCOL).copy_first_mask()
    inter, union = dict.fromkeys((WALL, BALL, DOG), 0), dict.fromkeys((WALL, BALL, DOG), 0)
    windows = {8: [], 16: []}
    for length in (20, 9):
        truth = np.stack([classes(t) for t in range(1, length)])
        guess = np.broadcast_to(classes(0), truth.shape)
        counted = (truth != 0) & (truth != 255)
        for label in inter:
            inter[label] += ((truth == label) & (guess == label) & counted).sum()
            union[label] += (((truth == label) | (guess == label)) & counted).sum()
        for n, shares in windows.items():
            for start in range(len(truth) - n + 1):
                part = slice(start, start + n)
                common = (truth[part] == truth[start]).all(axis=0) & counted[start]
                right = (guess[part] == truth[part]).all(axis=0)
                shares.append((common & right).sum() / common.sum())
    expected = np.mean([inter[label] / union[label] for label in inter])
    assert result.metrics["mIoU"] == pytest.approx(expected)
    assert len(windows[8]) == 13
    assert result.metrics["VC8"] == pytest.approx(np.mean(windows[8]))
    assert result.metrics["VC16"] == pytest.approx(np.mean(windows[16]))
    assert result.metrics["VC8-script"] == 1  # the control's prediction never changes
    assert result.value == result.metrics["mIoU"]


def test_features_follow_what_was_there_but_not_what_enters(root):
    benchmark = Vspw(str(root), PROTOCOL)
    result, control = benchmark.evaluate(Colours()), benchmark.copy_first_mask()
    assert result.value > control.value + 0.05
    iou = {
        row["class"]: row["intersection"] / row["union"]
        for row in result.per_object
        if row["video"] == NAMES[0] and row["class"] != "all"
    }
    assert set(iou) == {WALL, BALL, DOG}
    assert iou[BALL] > 0.75
    assert iou[DOG] == 0
    assert result.settings["videos"] == 2
    assert "no standard protocol" in result.settings["note"]
    assert result.settings["official_videos"] == 343


def test_void_of_the_first_frame_is_propagated_as_others(root):
    predicted = Vspw(str(root), PROTOCOL).predict(NAMES[1], Colours())
    assert set(np.unique(predicted)) == {0, WALL, BALL}
    assert predicted.dtype == np.uint8


def test_a_video_shorter_than_the_window_has_no_figure(root):
    (root / "val.txt").write_text(NAMES[1])
    metrics = Vspw(str(root), PROTOCOL).copy_first_mask().metrics
    assert "VC8" in metrics  # 8 frames after the first: one window, which the script leaves out
    assert "VC8-script" not in metrics
    assert "VC16" not in metrics


def test_scores_at_the_input_s_size(root):
    protocol = Propagation(**{**vars(PROTOCOL), "input_size": [16, 24], "score_at": "input"})
    rows = Vspw(str(root), protocol).copy_first_mask().per_object
    own = Vspw(str(root), PROTOCOL).copy_first_mask().per_object
    assert rows[0]["union"] == pytest.approx(own[0]["union"] / 4, rel=0.1)


def test_missing_files_are_named(root, tmp_path):
    with pytest.raises(DataError, match=r"val\.txt: no such list; a VSPW root holds"):
        Vspw(str(tmp_path), PROTOCOL).prepare()
    whole = Vspw(str(root), PROTOCOL).copy_first_mask()
    (root / "val.txt").write_text("\n".join([*NAMES, "9_gone"]))
    with pytest.raises(DataError, match=r"1 of the 3 listed videos: 9_gone; allow_missing=true"):
        Vspw(str(root), PROTOCOL).prepare()
    benchmark = Vspw(str(root), PROTOCOL, allow_missing=True)
    benchmark.prepare()
    result = benchmark.copy_first_mask()
    assert result.settings["videos"] == 2
    assert result.metrics == whole.metrics
    assert result.failed == {}
    (root / "val.txt").write_text("9_gone\n8_gone\n")
    with pytest.raises(DataError, match=r"2 of the 2 listed videos: 9_gone, 8_gone; a VSPW root"):
        benchmark.prepare()


def test_a_damaged_video_fails_alone(root):
    frame = root / "data" / NAMES[0] / "origin" / f"{NUMBERS[3]:08d}.jpg"
    frame.write_bytes(b"")  # as one video of the published set has them
    benchmark = Vspw(str(root), PROTOCOL, workers=0)
    assert "cannot be read as an image" in benchmark.evaluate(Colours()).failed[NAMES[0]]
    frame.unlink()
    told = benchmark.evaluate(Colours()).failed[NAMES[0]]
    assert f"{NUMBERS[3]:08d}.png has no frame" in told
    mask = root / "data" / NAMES[0] / "mask" / f"{NUMBERS[3]:08d}.png"
    mask.unlink()  # neither: a gap like others
    assert benchmark.evaluate(Colours()).failed == {}
    for path in sorted((root / "data" / NAMES[1] / "mask").iterdir())[1:]:
        path.unlink()
    assert "one annotated frame" in benchmark.copy_first_mask().failed[NAMES[1]]
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(mask.with_name(f"{NUMBERS[4]:08d}.png"))
    with pytest.raises(DataError, match="mode RGB"):
        benchmark.copy_first_mask()


def test_fingerprint_follows_the_masks(root):
    benchmark = Vspw(str(root), PROTOCOL)
    before = benchmark.fingerprint()
    assert before == Vspw(str(root), Propagation()).fingerprint()
    next((root / "data" / NAMES[1] / "mask").iterdir()).unlink()
    assert benchmark.fingerprint() != before
