"""VIP through files in both of its layouts: parts of a figure as coloured squares."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.vip import Vip
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

PROTOCOL = Propagation(top_k=1, queue=2, radius=4, temperature=0.05)
NUMBERS = (1, 26, 101, 1126)  # of annotated frames
COLOURS = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8)


class Colours:
    """An encoder that needs no training on squares of one colour: a patch's mean pixel."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def figure(t, size=(48, 56)):
    """Hair, face, coat and right shoe, moving by a patch a frame."""
    ids = np.zeros(size, np.uint8)
    for place, part in enumerate((2, 13, 7, 19)):
        ids[8 * place + 4 : 8 * place + 12, 8 + 4 * t : 20 + 4 * t] = part
    return ids


def write_video(root, categories, name, masks):
    for folder in (root / "Images" / name, categories / name):
        folder.mkdir(parents=True)
    for number, ids in zip(NUMBERS, masks, strict=True):
        frame = Image.fromarray(COLOURS[ids])
        frame.save(root / "Images" / name / f"{number:012d}.jpg", quality=95)
        write_ids(categories / name / f"{number:012d}.png", ids)


@pytest.fixture(params=["downloads", "readme"])
def root(tmp_path, request):
    root = tmp_path / "VIP"
    categories = root / "Category_ids"
    if request.param == "downloads":
        categories = root / "Annotations" / "Category_ids"
    for name in ("videos9", "videos12"):
        write_video(root, categories, name, [figure(t) for t in range(len(NUMBERS))])
    (root / "lists").mkdir()
    if request.param == "downloads":
        (root / "lists/val_videos.txt").write_text("videos12\nvideos9\n")
    else:
        lines = [f"{name}/{n:012d}\n" for name in ("videos12", "videos9") for n in NUMBERS]
        (root / "lists/val_id.txt").write_text("".join(lines))
    return root


def mask_path(benchmark, number, video="videos9"):
    return benchmark.files.categories / video / f"{number:012d}.png"


def test_both_layouts_and_numbers_with_gaps(root):
    benchmark = Vip(str(root), PROTOCOL)
    assert benchmark.videos() == ["videos12", "videos9"]
    pairs = benchmark.files.annotated("videos9")
    assert [int(frame.stem) for frame, _ in pairs] == list(NUMBERS)
    assert [frame.stem for frame, _ in pairs] == [mask.stem for _, mask in pairs]


def test_order_is_by_number_not_by_name(root):
    benchmark = Vip(str(root), PROTOCOL)
    mask_path(benchmark, 1126).rename(mask_path(benchmark, 0).with_name("1126.png"))
    mask_path(benchmark, 26).rename(mask_path(benchmark, 0).with_name("26.png"))
    assert [int(frame.stem) for frame, _ in benchmark.files.annotated("videos9")] == list(NUMBERS)


def test_perfect_features_follow_the_parts(root):
    result = Vip(str(root), PROTOCOL).evaluate(Colours())
    assert result.name == "vip"
    assert result.value == result.metrics["mIoU"] > 0.95
    assert {row["class"] for row in result.per_object} == {0, 2, 7, 13, 19}
    assert result.settings["videos"] == 2
    assert result.settings["official_videos"] == 50


def test_true_masks_score_exactly_one(root):
    benchmark = Vip(str(root), PROTOCOL)
    rows = benchmark.score("videos9", benchmark.files.truth("videos9"))
    assert benchmark.total(rows) == {"mIoU": 1.0}
    assert {row["IoU"] for row in rows} == {1.0}


@pytest.mark.parametrize("count_first", [True, False])
def test_copying_the_first_mask_by_hand(root, count_first):
    """Parts are 12 columns wide and move 4 a frame: 12, 8, 4 and 0 overlap."""
    metrics = Vip(str(root), PROTOCOL, count_first=count_first).copy_first_mask().metrics
    frames = range(4) if count_first else range(1, 4)
    both = sum(8 * max(0, 12 - 4 * t) for t in frames)
    part = both / (2 * len(frames) * 96 - both)
    area, foreground = 48 * 56 * len(frames), 4 * 96 * len(frames)
    wrong = foreground - 4 * both  # background where the figure now is, and the other way round
    ground = (area - foreground - wrong) / (area - foreground + wrong)
    assert metrics["mIoU"] == pytest.approx((4 * part + ground) / 5)


def test_values_out_of_range_do_not_count(root):
    benchmark = Vip(str(root), PROTOCOL)
    path = mask_path(benchmark, 26)
    ids = read_ids(path).copy()
    ids[:20] = 255
    ids[20:24] = 20
    write_ids(path, ids)
    truth = np.stack([figure(t) for t in range(4)])
    truth[1, :24] = 3  # whatever is predicted there
    rows = benchmark.score("videos9", truth)
    assert benchmark.total(rows) == {"mIoU": 1.0}
    assert 3 not in {row["class"] for row in rows}


def test_void_in_the_first_mask_is_carried_as_background(root, tmp_path):
    benchmark = Vip(str(root), PROTOCOL)
    benchmark.outputs = Outputs(tmp_path / "saved")
    path = mask_path(benchmark, 1)
    ids = read_ids(path).copy()
    ids[44:, 40:] = 255
    write_ids(path, ids)
    benchmark.evaluate(Colours())
    saved = read_ids(tmp_path / "saved/videos9" / f"{1126:012d}.png")
    assert set(np.unique(saved)) <= {0, 2, 7, 13, 19}
    assert Image.open(tmp_path / "saved/videos9" / f"{1126:012d}.png").mode == "P"
    names = sorted(p.name for p in (tmp_path / "saved/videos9").iterdir())
    assert names == [f"{n:012d}.png" for n in NUMBERS]


def test_frames_without_a_mask_are_left_out(root):
    benchmark = Vip(str(root), PROTOCOL)
    mask_path(benchmark, 101).unlink()
    assert benchmark.predict("videos9", Colours()).shape == (3, 48, 56)


def test_a_mask_without_a_frame(root):
    benchmark = Vip(str(root), PROTOCOL)
    (root / "Images/videos9" / f"{101:012d}.jpg").unlink()
    result = benchmark.evaluate(Colours())
    assert "000000000101.png has no frame" in result.failed["videos9"]
    assert {row["video"] for row in result.per_object} == {"videos12"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mask_with_colours_fails_its_video_only(root, workers):
    benchmark = Vip(str(root), PROTOCOL, workers=workers)
    path = mask_path(benchmark, 26)
    Image.open(path).convert("RGB").save(path)
    result = benchmark.copy_first_mask()
    assert "mode RGB" in result.failed["videos9"]


def test_masks_of_two_sizes(root):
    benchmark = Vip(str(root), PROTOCOL)
    write_ids(mask_path(benchmark, 26), figure(0, (48, 60)))
    assert "differ in size" in benchmark.copy_first_mask().failed["videos9"]


def test_missing_videos_are_named_or_left_out(root):
    path = next((root / "lists").iterdir())
    path.write_text("videos12\nvideos404\n")
    with pytest.raises(DataError, match="lacks 1 of the 2 listed videos: videos404"):
        Vip(str(root), PROTOCOL).prepare()
    assert Vip(str(root), PROTOCOL, allow_missing=True).videos() == ["videos12"]
    path.write_text("")
    with pytest.raises(DataError, match="lists no video"):
        Vip(str(root), PROTOCOL).prepare()
    path.unlink()
    with pytest.raises(DataError, match=r"holds no val_videos\.txt; a VIP root holds"):
        Vip(str(root), PROTOCOL).prepare()


def test_a_list_of_paths(root):
    path = next((root / "lists").iterdir())
    path.write_text("datasets/VIP/Images/videos12 datasets/VIP/Annotations/Category_ids/videos12\n")
    assert Vip(str(root), PROTOCOL).videos() == ["videos12"]


def test_a_root_without_masks(tmp_path):
    with pytest.raises(DataError, match="holds no Category_ids/; a VIP root holds"):
        Vip(str(tmp_path), PROTOCOL).prepare()


def test_a_video_with_one_mask(root):
    benchmark = Vip(str(root), PROTOCOL)
    for number in NUMBERS[1:]:
        mask_path(benchmark, number).unlink()
    with pytest.raises(DataError, match=r"holds 1 mask\(s\) \.png; a video needs two"):
        benchmark.control("videos9")


def test_scoring_at_the_input_s_size(root):
    protocol = replace(PROTOCOL, input_size=[24, 28], score_at="input")
    benchmark = Vip(str(root), protocol)
    rows = benchmark.score("videos9", benchmark.files.truth("videos9"))
    assert sum(row["union"] for row in rows) == 4 * 24 * 28


def test_fingerprint_follows_the_masks(root):
    benchmark = pickle.loads(pickle.dumps(Vip(str(root), PROTOCOL)))
    before = benchmark.fingerprint()
    assert before == Vip(str(root), Propagation(), count_first=False).fingerprint()
    mask_path(benchmark, 26).unlink()
    assert benchmark.fingerprint() != before


def test_another_frame_is_another_fingerprint(root):
    benchmark = Vip(str(root), PROTOCOL)
    before = benchmark.fingerprint()
    frame = benchmark.frames("videos9")[1]
    frame.write_bytes(frame.read_bytes() + b" ")
    assert benchmark.fingerprint() != before
