"""KITTI-STEP and KITTI-MOTS, on sequences in their own layouts."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.evaluation.benchmarks.kitti_mots import KittiMots
from siammae.evaluation.benchmarks.kitti_step import KittiStep
from siammae.evaluation.files.kitti import read_instances, read_panoptic
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

spec = importlib.util.spec_from_file_location("coco", Path(__file__).parent / "coco.py")
coco = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coco)

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
FRAMES, SHAPE = 8, (32, 56)
ROAD, SKY, CAR, VOID = 0, 10, 13, 255
NEAR, FAR, LATE = 300, 44, 513  # instances; 300 mod 256 is 44


class Colours:
    """A patch's mean pixel as its feature."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def scene(t):
    """Classes and instances: two cars that move apart, a third from frame 4 on, a void strip."""
    classes, instances = np.full(SHAPE, SKY), np.zeros(SHAPE, int)
    classes[16:] = ROAD
    for number, top, left in ((NEAR, 16, 4 + t), (FAR, 4, 36 - t), (LATE, 16, 40)):
        if number != LATE or t >= 4:
            classes[top : top + 8, left : left + 8] = CAR
            instances[top : top + 8, left : left + 8] = number
    classes[28:, :], instances[28:, :] = VOID, 0
    classes[:4, :8] = CAR  # parked cars that were not told apart
    return classes, instances


def save_frame(folder, t):
    classes, instances = scene(t)
    pixels = np.full((*SHAPE, 3), 90, np.uint8)
    pixels[classes == SKY] = (120, 180, 250)
    pixels[classes == VOID], pixels[classes == CAR] = (20, 20, 20), (70, 60, 0)
    for number, colour in ((NEAR, (220, 40, 40)), (FAR, (40, 40, 220)), (LATE, (40, 220, 40))):
        pixels[instances == number] = colour
    Image.fromarray(pixels).save(folder / f"{t:06d}.png")


@pytest.fixture
def step(tmp_path):
    root = tmp_path / "KITTI_STEP"
    images, maps = root / "images/val/0002", root / "panoptic_maps/val/0002"
    images.mkdir(parents=True)
    maps.mkdir(parents=True)
    for t in range(FRAMES):
        classes, instances = scene(t)
        ids = np.stack((classes, instances // 256, instances % 256), axis=-1)
        Image.fromarray(ids.astype(np.uint8)).save(maps / f"{t:06d}.png")
        save_frame(images, t)
    return root


@pytest.fixture
def mots(tmp_path):
    root = tmp_path / "KITTI_MOTS"
    images, maps = root / "training/image_02/0006", root / "instances/0006"
    images.mkdir(parents=True)
    maps.mkdir(parents=True)
    for t in range(FRAMES):
        classes, instances = scene(t)
        ids = np.where(instances > 0, 1000 + instances, 0)
        ids[classes == VOID] = 10000
        Image.fromarray(ids.astype(np.uint16)).save(maps / f"{t:06d}.png")
        save_frame(images, t)
    return root


def measured(root, protocol=PROTOCOL, **options):
    """KITTI-STEP's benchmark on the sequences that are there."""
    return KittiStep(str(root), protocol, allow_missing=True, **options)


def write_text(mots, name="instances_txt/0006.txt"):
    """The same instances as the PNGs', in the official text form, instead of them."""
    lines = []
    for path in sorted((mots / "instances/0006").iterdir()):
        ids = np.asarray(Image.open(path))
        for number in np.unique(ids[ids > 0]):
            code = coco.compress(coco.run_lengths(ids == number))
            words = (int(path.stem), number, number // 1000, *ids.shape, code)
            lines.append(" ".join(map(str, words)))
    shutil.rmtree(mots / "instances/0006")
    (mots / name).parent.mkdir(exist_ok=True)
    (mots / name).write_text("\n".join(lines) + "\n")
    return mots / name


def expected_tracks(numbers, valid):
    """J of the first frame's masks, in the frames after it."""
    first = scene(0)[1]
    shares = {}
    for number in numbers:
        values = []
        for t in range(1, FRAMES):
            true, guess = ((ids == number) & valid(t) for ids in (scene(t)[1], first))
            values.append((true & guess).sum() / (true | guess).sum())
        shares[number] = np.mean(values)
    return shares


def not_void(t):
    return scene(t)[0] != VOID


def test_step_control_by_hand(step):
    result = measured(step, PROTOCOL).copy_first_mask()
    sums = {label: [0, 0] for label in (ROAD, SKY, CAR)}
    for t in range(1, FRAMES):
        for label, counted in sums.items():
            true, guess = scene(t)[0] == label, scene(0)[0] == label
            counted[0] += (true & guess & not_void(t)).sum()
            counted[1] += ((true | guess) & not_void(t)).sum()
    assert result.metrics["mIoU"] == pytest.approx(np.mean([i / u for i, u in sums.values()]))
    tracks = {row["object"]: row for row in result.per_object if "covered" in row}
    assert set(tracks) == {f"13/{FAR}", f"13/{NEAR}", f"13/{LATE}"}
    hand = expected_tracks((NEAR, FAR), not_void)
    assert tracks[f"13/{NEAR}"]["J-Mean"] == pytest.approx(hand[NEAR])
    assert tracks[f"13/{FAR}"]["J-Mean"] == pytest.approx(hand[FAR])
    assert tracks[f"13/{LATE}"]["covered"] == 0
    assert result.metrics["coverage-objects"] == pytest.approx(2 / 3)
    assert result.metrics["coverage-frames"] == pytest.approx(16 / 20)
    assert [row["class"] for row in result.per_object if "union" in row] == [ROAD, SKY, CAR]
    assert result.value == result.metrics["mIoU"]
    assert "no standard protocol" in result.settings["note"]


def test_mots_control_by_hand(mots):
    result = KittiMots(str(mots), PROTOCOL, sequences=["0006"]).copy_first_mask()
    hand = expected_tracks((NEAR, FAR), not_void)
    rows = {row["object"]: row for row in result.per_object}
    assert set(rows) == {1000 + NEAR, 1000 + FAR, 1000 + LATE}
    assert rows[1000 + NEAR]["J-Mean"] == pytest.approx(hand[NEAR])
    assert rows[1000 + FAR]["J-Mean"] == pytest.approx(hand[FAR])
    assert result.metrics["J-Mean"] == pytest.approx(np.mean(list(hand.values())))
    assert result.metrics["coverage-objects"] == pytest.approx(2 / 3)
    assert result.value == result.metrics["J&F-Mean"]


@pytest.mark.parametrize("workers", [0, 1])
def test_features_follow_tracks_with_ids_over_255(step, mots, workers):
    for benchmark in (
        measured(step, PROTOCOL, workers=workers),
        KittiMots(str(mots), PROTOCOL, sequences=None, workers=workers),
    ):
        result = benchmark.evaluate(Colours())
        assert result.failed == {}
        covered = [row for row in result.per_object if row.get("covered")]
        assert len(covered) == 2
        assert min(row["J-Mean"] for row in covered) > 0.65
        assert result.value > benchmark.copy_first_mask().value + 0.05


def test_cars_without_an_instance_do_not_count_for_tracks(step):
    """A track that runs into them is not wrong, and they are none themselves."""
    path = step / "panoptic_maps/val/0002/000003.png"
    ids = np.asarray(Image.open(path)).copy()
    ids[16:24, 4:7] = (CAR, 0, 0)  # where the first frame's near car was, and no longer is
    Image.fromarray(ids).save(path)
    rows = measured(step, PROTOCOL).copy_first_mask().per_object
    (near,) = [row for row in rows if row["object"] == f"13/{NEAR}"]
    hand = [(8 - t) / (8 + t) if t != 3 else 5 / 8 for t in range(1, FRAMES)]
    assert near["J-Mean"] == pytest.approx(np.mean(hand))


def test_a_car_that_only_shows_what_is_ignored(mots):
    """Prediction into ignored pixels is not punished."""
    for t in range(1, FRAMES):
        path = mots / f"instances/0006/{t:06d}.png"
        ids = np.asarray(Image.open(path)).copy()
        ids[ids == 0] = 10000
        Image.fromarray(ids.astype(np.uint16)).save(path)
    rows = KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask().per_object
    near = next(row for row in rows if row["object"] == 1000 + NEAR)
    assert near["J-Mean"] == pytest.approx(np.mean([(8 - t) / 8 for t in range(1, FRAMES)]))


def test_ids_are_read_whole(step, mots):
    ids = read_panoptic(step / "panoptic_maps/val/0002/000000.png")
    assert set(np.unique(ids)) == {
        ROAD,
        SKY << 16,
        CAR << 16,
        (CAR << 16) + NEAR,
        (CAR << 16) + FAR,
        VOID << 16,
    }
    ids = read_instances(mots / "instances/0006/000000.png")
    assert set(np.unique(ids)) == {0, 1000 + NEAR, 1000 + FAR, 10000}


def test_a_sequence_that_starts_empty_is_counted(mots):
    (mots / "instances/0006/000000.png").unlink()
    Image.fromarray(np.zeros(SHAPE, np.uint16)).save(mots / "instances/0006/000000.png")
    with pytest.raises(DataError, match="nothing to follow"):
        KittiMots(str(mots), PROTOCOL, sequences=None).evaluate(Colours())


def test_wrong_modes_are_refused(step, mots):
    path = step / "panoptic_maps/val/0002/000002.png"
    Image.fromarray(scene(2)[0].astype(np.uint8)).convert("P").save(path)
    with pytest.raises(DataError, match=r"000002\.png has mode P: a KITTI-STEP map is RGB"):
        measured(step, PROTOCOL).copy_first_mask()
    path = mots / "instances/0006/000002.png"
    Image.fromarray(scene(2)[0].astype(np.uint8)).save(path)
    with pytest.raises(DataError, match=r"has mode L: a KITTI-MOTS map is a 16-bit grey PNG"):
        KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask()
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read as an image"):
        KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask()


def test_missing_folders_are_named(step, mots, tmp_path):
    with pytest.raises(DataError, match=r"panoptic_maps/train: no such folder.*SEQUENCE"):
        measured(step, PROTOCOL, split="train").prepare()
    with pytest.raises(DataError, match="holds no instances; a KITTI-MOTS root holds"):
        KittiMots(str(tmp_path), PROTOCOL).prepare()
    benchmark = KittiMots(str(mots), PROTOCOL, images="image_02", sequences=None)
    with pytest.raises(DataError, match="lacks instances, or frames in image_02, of 1 of the 1"):
        benchmark.evaluate(Colours())


def test_sequences_that_are_missing_are_named_or_left_out(step, mots):
    with pytest.raises(DataError, match=r"8 of the 9 sequences of val: 0006, .*; allow_missing=tr"):
        KittiStep(str(step), PROTOCOL).prepare()
    result = measured(step).copy_first_mask()
    assert (result.settings["videos"], result.settings["official_videos"]) == (1, 9)
    (step / "images/val/0002").rename(step / "elsewhere")
    with pytest.raises(DataError, match=r"9 of the 9 sequences of val.*they should hold SEQUENCE"):
        measured(step).prepare()
    with pytest.raises(DataError, match="2 of the 3 sequences: 0002, 0007; allow_missing=true"):
        KittiMots(str(mots), PROTOCOL, sequences=[2, "0006", 7]).prepare()
    benchmark = KittiMots(str(mots), PROTOCOL, sequences=[2, "0006", 7], allow_missing=True)
    assert benchmark.videos() == ["0006"]
    whole = KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask()
    assert benchmark.copy_first_mask().metrics == whole.metrics
    with pytest.raises(DataError, match="2 of the 2 sequences: 0002, 0007; a KITTI-MOTS root"):
        KittiMots(str(mots), PROTOCOL, sequences=[2, 7], allow_missing=True).prepare()


def test_a_split_that_is_not_published_takes_what_is_there(step):
    for kind in ("images", "panoptic_maps"):
        (step / kind / "val").rename(step / kind / "mine")
    benchmark = KittiStep(str(step), PROTOCOL, split="mine")
    assert benchmark.videos() == ["0002"]
    assert benchmark.settings()["official_videos"] is None


@pytest.mark.parametrize("place", ["instances_txt/0006.txt", "instances/0006.txt"])
@pytest.mark.parametrize("workers", [0, 1])
def test_text_and_images_of_the_same_masks_are_the_same(mots, place, workers):
    for path in (mots / "instances/0006").iterdir():
        if path.stem in ("000003", "000007"):  # without any instance: the text has no line of it
            Image.fromarray(np.zeros(SHAPE, np.uint16)).save(path)
    benchmark = KittiMots(str(mots), PROTOCOL, sequences=None, workers=workers)
    maps = list(benchmark.files.instances("0006"))
    figures, controls = benchmark.evaluate(Colours()), benchmark.copy_first_mask()
    text = write_text(mots, place)
    assert not any(line.startswith(("3 ", "7 ")) for line in text.read_text().splitlines())
    assert benchmark.videos() == ["0006"]
    assert all(map(np.array_equal, benchmark.files.instances("0006"), maps))
    assert len(list(benchmark.files.instances("0006"))) == FRAMES
    assert benchmark.evaluate(Colours()).as_dict() == figures.as_dict()
    assert benchmark.copy_first_mask().as_dict() == controls.as_dict()
    before = benchmark.fingerprint()
    text.write_text(text.read_text().split("\n", 1)[1])
    assert benchmark.fingerprint() != before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 1300 1 32", "line 1: '0 1300 1 32' is not FRAME ID CLASS HEIGHT WIDTH RLE"),
        ("0 1300 1 32 56 a b", "is not FRAME ID CLASS"),
        ("zero 1300 1 32 56 `1", "is not FRAME ID CLASS"),
        ("0 1300 2 32 56 P8", "line 1: id 1300 is not of class 2"),
        ("0 1300 1 32 56 P8", "frame 0, id 1300: run lengths add up to 256"),
        ("0 1300 1 32 56 !", "frame 0, id 1300: character '!' is not in COCO's"),
        ("0 1300 1 2 2 4\n0 1301 1 2 3 6", r"masks of \(2, 2\) and \(2, 3\)"),
        ("0 1300 1 2 2 04\n0 1301 1 2 2 04", "id 1301 overlaps with another"),
        ("8 1300 1 2 2 04", "has a frame 8, the images have none"),
    ],
)
def test_bad_text_is_named(mots, line, told):
    write_text(mots).write_text(line + "\n")
    with pytest.raises(DataError, match=told):
        KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask()


def test_a_frame_without_a_map_fails_its_sequence(step):
    (step / "panoptic_maps/val/0002/000005.png").unlink()
    with pytest.raises(DataError, match=r"has a frame 5, .* has none"):
        measured(step, PROTOCOL).copy_first_mask()


def test_fingerprints_follow_the_maps(step, mots):
    for benchmark, folder in (
        (measured(step, PROTOCOL), step / "panoptic_maps/val/0002"),
        (KittiMots(str(mots), PROTOCOL, sequences=None), mots / "instances/0006"),
    ):
        before = benchmark.fingerprint()
        (folder / "000007.png").unlink()
        assert benchmark.fingerprint() != before


def test_scores_at_the_input_s_size(step, mots):
    protocol = Propagation(**{**vars(PROTOCOL), "input_size": [16, 28], "score_at": "input"})
    rows = measured(step, protocol).copy_first_mask().per_object
    own = measured(step, PROTOCOL).copy_first_mask().per_object
    assert rows[0]["union"] == pytest.approx(own[0]["union"] / 4, rel=0.1)
    half = KittiMots(str(mots), protocol, sequences=None).copy_first_mask()
    own = KittiMots(str(mots), PROTOCOL, sequences=None).copy_first_mask()
    assert half.metrics["J-Mean"] == pytest.approx(own.metrics["J-Mean"], abs=0.05)
    assert half.metrics["J-Mean"] != own.metrics["J-Mean"]
