"""Probes on files in the layouts of VIP and VSPW, whose classes a colour tells."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.linear_parts import LinearParts
from siammae.evaluation.measuring.probes import Probes
from siammae.system.errors import DataError

COLOURS = np.array([(90, 90, 90), (220, 40, 40), (40, 40, 220), (40, 200, 40)], np.uint8)


def scene(number, t):
    """Three squares of 16 pixels on patches of 4, in other places in every video."""
    ids = np.zeros((48, 64), np.uint8)
    for c in (1, 2, 3):
        top, left = 4 * ((number + 3 * c + t) % 8), 16 * ((number + c) % 4)
        ids[top : top + 16, left : left + 16] = c
    return ids


def write(image, mask, ids, shift):
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(COLOURS[ids]).save(image, quality=95)
    write_ids(mask, np.where(ids > 0, ids + shift, ids).astype(np.uint8))


@pytest.fixture
def vip(tmp_path):
    root, names = tmp_path / "VIP", ["videos7", "videos2", "videos11", "videos3"]
    for number, name in enumerate(names):
        for t in range(3):
            frame = f"{name}/{25 * t + 1:012d}"
            mask = root / "Annotations/Category_ids" / f"{frame}.png"
            write(root / "Images" / f"{frame}.jpg", mask, scene(number, t), 10)
    (root / "lists").mkdir()
    (root / "lists/val_videos.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.fixture
def vspw(tmp_path):
    root, names = tmp_path / "VSPW", ["1_-x", "0_y", "12_z"]
    for number, name in enumerate(names):
        for t in range(3):
            ids = scene(number, t)
            ids = np.where(ids == 1, 245, ids)  # with the shift: 255, which is void
            folder, frame = root / "data" / name, f"{number + 5 * t:08d}"
            shown = np.where(ids == 245, 1, ids)
            write(folder / "origin" / f"{frame}.jpg", folder / "mask" / f"{frame}.png", shown, 0)
            write_ids(
                folder / "mask" / f"{frame}.png", np.where(ids == 245, 255, ids * 40).astype("u1")
            )
    (root / "val.txt").write_text("\n".join(names) + "\n")
    return root


class Colours:
    """A patch's mean pixel, as features."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


class Places:
    """Where in the image a patch is, and which image it is: nothing that other videos share."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        rows, columns = images.shape[-2] // 4, images.shape[-1] // 4
        noise = torch.Generator().manual_seed(int(images.double().sum().abs() * 1e6) % 2**31)
        return torch.randn(1, rows * columns, 8, generator=noise)


def test_colours_tell_the_parts(vip):
    benchmark = LinearParts(str(vip), classes=20, patches_per_frame=100)
    assert benchmark.training_videos() == ["videos7", "videos2"]
    assert benchmark.videos() == ["videos11", "videos3"]
    result = benchmark.evaluate(Colours())
    assert result.name == "linear_parts"
    assert result.value == result.metrics["linear-mIoU"]
    assert set(result.metrics) == {
        f"{probe}-{kind}" for probe in ("linear", "knn") for kind in ("mIoU", "accuracy")
    }
    assert min(result.metrics.values()) > 0.8  # edges of the enlarged maps are round
    assert {row["video"] for row in result.per_object} == {"videos11", "videos3"}
    assert {row["class"] for row in result.per_object} == {0, 11, 12, 13}
    assert sum(row["pixels"] for row in result.per_object) == 2 * 3 * 48 * 64
    assert result.settings["videos"] == result.settings["training_videos"] == 2
    assert benchmark.evaluate(Colours()).as_dict() == result.as_dict()


def test_figures_equal_a_confusion_matrix(vip):
    benchmark = LinearParts(str(vip))
    result = benchmark.evaluate(Colours())
    confusion = np.zeros((20, 20), np.int64)
    for video in benchmark.videos():
        predicted = benchmark.predict(video, Colours())["linear"]
        masks = sorted((vip / "Annotations/Category_ids" / video).iterdir())
        for path, guess in zip(masks, predicted, strict=True):
            np.add.at(confusion, (np.asarray(Image.open(path)), guess), 1)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    shares = np.diag(confusion)[union > 0] / union[union > 0]
    assert result.metrics["linear-mIoU"] == pytest.approx(shares.mean(), abs=1e-12)
    right = np.diag(confusion).sum() / confusion.sum()
    assert result.metrics["linear-accuracy"] == pytest.approx(right, abs=1e-12)


def test_features_of_places_are_no_better_than_the_majority(vip):
    benchmark = LinearParts(str(vip))
    control = benchmark.copy_first_mask()
    ids = [scene(number, t) for number in (2, 3) for t in range(3)]
    ground = np.mean([one == 0 for one in ids])
    assert control.metrics["linear-accuracy"] == control.metrics["knn-accuracy"]
    assert control.metrics["linear-accuracy"] == pytest.approx(ground)
    assert control.value == pytest.approx(ground / 4)  # of four classes that occur, one is hit
    blind = benchmark.evaluate(Places())
    assert blind.value < control.value + 0.08
    assert blind.metrics["linear-accuracy"] < ground + 0.02


def test_vspw_leaves_others_and_void_out(vspw):
    benchmark = LinearParts(str(vspw), layout="vspw", classes=125, ignore=[0, 255])
    assert benchmark.videos() == ["12_z"]
    result = benchmark.evaluate(Colours())
    assert {row["class"] for row in result.per_object} == {80, 120}
    assert sum(row["pixels"] for row in result.per_object) == sum(
        int((scene(2, t) > 1).sum()) for t in range(3)
    )
    assert result.value > 0.9
    assert benchmark.copy_first_mask().metrics["linear-accuracy"] == pytest.approx(0.5, abs=0.2)


def test_frames_are_evenly_spaced_and_input_sizes_are_kept_to(vip):
    sizes = []

    class Sized(Colours):
        def __call__(self, images):
            sizes.append(tuple(images.shape[-2:]))
            return super().__call__(images)

    benchmark = LinearParts(str(vip), frames_per_video=2, input_size=96)
    names = [[f.stem[-2:] for f, _ in benchmark._chosen(v)] for v in ("videos7", "videos2")]
    assert names == [["01", "51"], ["01", "51"]]
    result = benchmark.evaluate(Sized())
    assert sizes == [(96, 128)] * 8
    assert result.value > 0.8  # at the masks' own size


def test_a_large_set_trains_on_no_more_patches_than_stated(vip, monkeypatch):
    fitted = []
    fit = Probes.fit

    def noted(tokens, classes, *settings):
        fitted.append((tokens, classes))
        return fit(tokens, classes, *settings)

    monkeypatch.setattr(Probes, "fit", noted)
    options = {"classes": 20, "patches_per_frame": 100, "frames_per_video": 3}
    unbounded = LinearParts(str(vip), **options, max_patches=10**9).evaluate(Colours())
    fits = LinearParts(str(vip), **options, max_patches=600).evaluate(Colours())
    bounded = LinearParts(str(vip), **options, max_patches=200).evaluate(Colours())
    assert [len(tokens) for tokens, _ in fitted] == [600, 600, 200]
    assert all(torch.equal(*both) for both in zip(fitted[0], fitted[1], strict=True))
    assert unbounded.per_object == fits.per_object
    assert bounded.per_object != fits.per_object
    assert bounded.value > 0.75
    assert bounded.settings["max_patches"] == 200


def test_one_video_that_fails_on_either_side_is_named(vip):
    for video in ("videos7", "videos3"):
        (vip / "Images" / video / f"{26:012d}.jpg").write_bytes(b"")
    told = []
    result = LinearParts(str(vip)).evaluate(Colours(), on_video=lambda *news: told.append(news))
    assert set(result.failed) == {"videos7", "videos3"}
    assert "cannot be read" in result.failed["videos7"]
    assert result.settings["videos"] == result.settings["training_videos"] == 1
    assert told == [(1, 4, "videos7"), (2, 4, "videos2"), (3, 4, "videos11"), (4, 4, "videos3")]


def test_a_benchmark_scores_in_another_process(vip):
    benchmark = LinearParts(str(vip), patches_per_frame=50)
    predicted = benchmark.control("videos2")
    other = pickle.loads(pickle.dumps(benchmark))
    assert other.score("videos2", predicted) == benchmark.score("videos2", predicted)


def test_fingerprint_follows_the_masks(vip):
    benchmark = LinearParts(str(vip))
    before = benchmark.fingerprint()
    assert before == LinearParts(str(vip), top_k=3).fingerprint()
    path = vip / "Annotations/Category_ids/videos2" / f"{1:012d}.png"
    write_ids(path, np.zeros((48, 64), np.uint8))
    assert benchmark.fingerprint() != before


def test_bad_data_is_named(vip, tmp_path):
    path = vip / "Annotations/Category_ids/videos11" / f"{1:012d}.png"
    write_ids(path, np.full((48, 64), 21, np.uint8))
    result = LinearParts(str(vip)).evaluate(Colours())
    assert "has the id 21, which is none of the classes 0 to 19" in result.failed["videos11"]
    with pytest.raises(DataError, match=r"1 class\(es\) that count"):
        LinearParts(str(vip), ignore=[0, 11, 12]).evaluate(Colours())
    (vip / "lists/val_videos.txt").write_text("videos2\n")
    with pytest.raises(DataError, match=r"lists 1 video\(s\); probes need two"):
        LinearParts(str(vip)).prepare()
    with pytest.raises(DataError, match=r"VSPW root holds data/VIDEO/origin/\*\.jpg"):
        LinearParts(str(tmp_path), layout="vspw").prepare()


def test_vspw_files_are_named(vspw):
    (vspw / "data/0_y/origin" / f"{6:08d}.jpg").unlink()
    benchmark = LinearParts(str(vspw), layout="vspw", classes=125, ignore=[0, 255])
    assert "00000006.png has no frame" in benchmark.evaluate(Colours()).failed["0_y"]
    (vspw / "data/12_z/origin" / f"{7:08d}.jpg").unlink()
    with pytest.raises(DataError, match=r"00000007\.png has no frame"):
        benchmark.evaluate(Colours())
    (vspw / "val.txt").write_text("0_y\nnone\n")
    with pytest.raises(DataError, match="1 of the 2 listed videos: none"):
        benchmark.prepare()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "davis"}, "layout 'davis' is none of vip, vspw"),
        ({"root": None}, "root must name a folder"),
        ({"classes": 1}, "classes must be 2 to 256"),
        ({"max_patches": 0}, "max_patches and top_k at least 1, not 20, 8, 256, 0, 20"),
        ({"l2": 0}, "l2 0 and temperature"),
    ],
)
def test_values_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        LinearParts(**{"root": "x", **options})
