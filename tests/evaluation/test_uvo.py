"""UVO, on clips in its own layout."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.evaluation.benchmarks.uvo import Uvo, paint
from siammae.evaluation.files.uvo import read_uvo
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
FRAMES, START = 12, 1  # frames 1.png to 12.png: 10.png sorts before 2.png as text
SHAPE = (32, 48)


class Colours:
    """A patch's mean pixel as its feature."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def box(top, bottom, left, right):
    mask = np.zeros(SHAPE, bool)
    mask[top:bottom, left:right] = True
    return mask


def shirt(t):
    return box(8, 16, 8 + t, 16 + t)


def person(t):
    return box(4, 28, 4 + t, 20 + t)  # with the shirt


def cat(t):
    return box(20, 28, 36, 44) if t >= 6 else None


def code(mask):
    if mask is None:
        return None
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat)).astype(int)))
    counts = np.diff(np.concatenate(([0], edges, [flat.size])))
    return {"size": list(SHAPE), "counts": counts.tolist()}


@pytest.fixture
def root(tmp_path):
    entries = [
        {
            "id": 4,
            "ytid": "-abc_1",
            "height": SHAPE[0],
            "width": SHAPE[1],
            "start_idx": START,
            "file_names": [f"-abc_1/{START + t}.png" for t in range(FRAMES)],
        }
    ]
    objects = [
        {
            "id": number,
            "video_id": 4,
            "category_id": 1,
            "iscrowd": 0,
            "length": FRAMES,
            "segmentations": [code(track(t)) for t in range(FRAMES)],
        }
        for number, track in enumerate((shirt, person, cat))
    ]
    (tmp_path / "VideoDenseSet").mkdir()
    write(tmp_path, {"videos": entries, "annotations": objects})
    folder = tmp_path / "uvo_videos_dense_frames" / "-abc_1"
    folder.mkdir(parents=True)
    for t in range(FRAMES):
        pixels = np.full((*SHAPE, 3), 90, np.uint8)
        pixels[person(t)], pixels[shirt(t)] = (220, 40, 40), (40, 40, 220)
        if cat(t) is not None:
            pixels[cat(t)] = (40, 220, 40)
        Image.fromarray(pixels).save(folder / f"{START + t}.png")
    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(folder / "0.png")  # before the clip
    return tmp_path


def write(root, content):
    (root / "VideoDenseSet/UVO_video_val_dense.json").write_text(json.dumps(content))


def content(root):
    return json.loads((root / "VideoDenseSet/UVO_video_val_dense.json").read_text())


def test_smaller_objects_are_painted_over_larger_ones(root):
    painted = paint(read_uvo(Uvo(str(root), PROTOCOL).annotations)["-abc_1"])
    assert np.array_equal(painted == 1, shirt(0))
    assert np.array_equal(painted == 2, person(0) & ~shirt(0))


def test_the_control_by_hand(root):
    result = Uvo(str(root), PROTOCOL).copy_first_mask()
    assert [(r["object"], r["frames"], r["covered"]) for r in result.per_object] == [
        (1, FRAMES, 1),
        (2, FRAMES, 1),
        (3, FRAMES - 6, 0),
    ]
    j = [
        np.mean([(guess & true(t)).sum() / (guess | true(t)).sum() for t in range(1, FRAMES)])
        for guess, true in ((shirt(0), shirt), (person(0) & ~shirt(0), person))  # the whole person
    ]
    assert [row["J-Mean"] for row in result.per_object[:2]] == pytest.approx(j)
    assert result.metrics["J-Mean"] == pytest.approx(np.mean(j))
    assert result.metrics["coverage-objects"] == pytest.approx(2 / 3)
    assert result.metrics["coverage-frames"] == pytest.approx(24 / 30)
    assert result.value == result.metrics["J&F-Mean"]
    assert "no standard protocol" in result.settings["note"]


def test_features_follow_the_objects_in_the_order_of_frames(root):
    benchmark = Uvo(str(root), PROTOCOL)
    benchmark.prepare()
    result = benchmark.evaluate(Colours())
    assert result.failed == {}
    shirt_row, person_row, _ = result.per_object
    assert shirt_row["J-Mean"] > 0.75
    assert 0.6 < person_row["J-Mean"] < 320 / 384  # without the shirt, which is true of it
    assert result.value > benchmark.copy_first_mask().value + 0.15


def test_workers_read_the_annotations_themselves(root):
    benchmark = Uvo(str(root), PROTOCOL, workers=1)
    alone = Uvo(str(root), PROTOCOL).copy_first_mask()
    assert benchmark.copy_first_mask().metrics == alone.metrics


def test_pixels_of_a_crowd_do_not_count(root):
    data = content(root)
    crowd = {**data["annotations"][2], "iscrowd": 1}
    crowd["segmentations"] = [code(np.ones(SHAPE, bool)) if t == 1 else None for t in range(FRAMES)]
    data["annotations"].append(crowd)
    before = Uvo(str(root), PROTOCOL).copy_first_mask().per_object[0]["J-Mean"]
    write(root, data)
    result = Uvo(str(root), PROTOCOL).copy_first_mask()
    assert len(result.per_object) == 3
    first = (shirt(0) & shirt(1)).sum() / (shirt(0) | shirt(1)).sum()
    assert result.per_object[0]["J-Mean"] == pytest.approx(before + (1 - first) / (FRAMES - 1))


def test_a_clip_without_objects_at_its_start_is_counted(root):
    data = content(root)
    data["videos"].append(data["videos"][0] | {"id": 5})
    late = {**data["annotations"][2], "video_id": 5}
    data["annotations"].append(late)
    write(root, data)
    result = Uvo(str(root), PROTOCOL).evaluate(Colours())
    assert Uvo(str(root), PROTOCOL).videos() == ["-abc_1", "-abc_1-5"]
    assert result.failed == {}
    assert result.metrics["coverage-objects"] == 0.5


def test_bare_file_names_are_taken_as_the_clip_s(root):
    data = content(root)
    names = data["videos"][0]["file_names"]
    data["videos"][0]["file_names"] = [name.split("/")[1] for name in names]
    write(root, data)
    assert read_uvo(Uvo(str(root), PROTOCOL).annotations)["-abc_1"].frames == names


def test_bad_files_are_named(root, tmp_path):
    with pytest.raises(DataError, match=r"UVO_video_train_dense\.json cannot be read"):
        Uvo(str(root), PROTOCOL, split="train").prepare()
    data = content(root)
    data["annotations"][0]["segmentations"].pop()
    write(root, data)
    with pytest.raises(DataError, match=r"annotations\[0\] has 11 masks, its video 12 frames"):
        Uvo(str(root), PROTOCOL).copy_first_mask()
    write(root, {"videos": [{"id": 1}], "annotations": []})
    with pytest.raises(DataError, match=r"videos\[0\] has no ytid of the right kind"):
        Uvo(str(root), PROTOCOL).copy_first_mask()
    for wrong in ([], {"videos": [3], "annotations": []}, {"videos": []}):
        write(root, wrong)
        with pytest.raises(DataError, match=r"not in YouTube-VIS's form: no list of"):
            Uvo(str(root), PROTOCOL).prepare()
    write(root, {**data, "annotations": [{"video_id": 99}]})
    with pytest.raises(DataError, match=r"annotations\[0\] has the video_id 99, of none"):
        Uvo(str(root), PROTOCOL).prepare()
    (root / "uvo_videos_dense_frames").rename(root / "frames")
    write(root, data | {"annotations": []})
    with pytest.raises(DataError, match="uvo_videos_dense_frames: no such folder"):
        Uvo(str(root), PROTOCOL).prepare()


def test_a_clip_without_frames_is_named_or_left_out(root):
    whole = Uvo(str(root), PROTOCOL).copy_first_mask()
    data = content(root)
    names = [f"gone/{t}.png" for t in range(FRAMES)]
    data["videos"].append({**data["videos"][0], "id": 5, "ytid": "gone", "file_names": names})
    data["annotations"].append({**data["annotations"][0], "video_id": 5})
    write(root, data)
    with pytest.raises(DataError, match="1 of the 2 annotated clips: gone; allow_missing=true"):
        Uvo(str(root), PROTOCOL).prepare()
    benchmark = Uvo(str(root), PROTOCOL, allow_missing=True)
    benchmark.prepare()
    result = benchmark.copy_first_mask()
    assert (result.metrics, result.failed) == (whole.metrics, {})
    assert result.settings["videos"] == 1
    (root / "uvo_videos_dense_frames/-abc_1").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"2 of the 2 annotated clips.*it should hold YTID"):
        benchmark.prepare()


def test_a_mask_of_another_size_fails_its_clip(root):
    data = content(root)
    data["annotations"][0]["segmentations"][3] = {"size": [2, 2], "counts": [4]}
    write(root, data)
    with pytest.raises(DataError, match=r"a mask is \(2, 2\), the video \(32, 48\)"):
        Uvo(str(root), PROTOCOL).copy_first_mask()
