import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.files.davis import DavisFiles, read_ids
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.propagation.protocol import Propagation
from siammae.score import main as score_main
from siammae.system.errors import DataError


class Colours:
    """An encoder that needs no training on squares of one colour: a patch's mean pixel."""

    patch_size = 4
    device = torch.device("cpu")

    def __init__(self):
        self.sizes = []

    def __call__(self, images):
        self.sizes.append(tuple(images.shape[-2:]))
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)


def test_perfect_features_follow_the_objects(davis2017):
    result = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    assert result.name == "davis2017"
    assert len(result.per_object) == 4
    assert result.metrics["J-Mean"] > 0.8
    assert result.value == result.metrics["J&F-Mean"]
    assert result.settings["sequences"] == 2
    assert result.settings["official_sequences"] == 30
    assert result.settings["top_k"] == 3


def test_named_sequences_are_measured_alone(davis2017):
    """One set of them can be kept for choosing settings, the others for the figures."""
    whole = Davis(str(davis2017), PROTOCOL)
    first, second = whole.videos()
    one = Davis(str(davis2017), PROTOCOL, sequences=[second])
    assert one.videos() == [second]
    assert one.fingerprint() != whole.fingerprint()
    result = one.evaluate(Colours())
    assert result.settings["only"] == [second]
    assert "only" not in whole.evaluate(Colours()).settings
    both = Davis(str(davis2017), PROTOCOL, sequences=[second, first])
    assert both.videos() == [first, second]


def test_a_sequence_that_is_not_there_is_named(davis2017):
    there = Davis(str(davis2017), PROTOCOL).videos()[0]
    with pytest.raises(DataError, match=f"no {there}x in .*did you mean '{there}'"):
        Davis(str(davis2017), PROTOCOL, sequences=[f"{there}x"]).videos()
    for wrong in (there, [], [there, there], [3]):
        with pytest.raises(ValueError, match="sequences="):
            Davis(str(davis2017), PROTOCOL, sequences=wrong)


def test_a_measurement_leaves_gradients_on(davis2017):
    """As between two runs of a multirun."""
    Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_copying_the_first_mask_is_worse(davis2017):
    benchmark = Davis(str(davis2017), PROTOCOL)
    control = benchmark.copy_first_mask()
    assert control.value < benchmark.evaluate(Colours()).value - 0.1
    first, third = (np.zeros(56, bool) for _ in range(2))
    first[8:24], third[14:30] = True, True
    overlap = [(16 - 2 * t) / (16 + 2 * t) for t in (1, 2, 3)]
    assert control.per_object[0]["J-Mean"] == pytest.approx(np.mean(overlap))


def test_2016_has_one_object(davis2016):
    result = Davis(str(davis2016), PROTOCOL, year=2016).evaluate(Colours())
    assert [(row["sequence"], row["object"]) for row in result.per_object] == [
        ("walk", 1),
        ("run", 1),
    ]
    assert result.metrics["J-Mean"] > 0.8


@pytest.mark.parametrize(
    ("input_size", "seen"),
    [(None, (48, 56)), (96, (96, 112)), ([40, 80], (40, 80)), (51, (52, 60))],
)
def test_input_sizes_are_multiples_of_the_patch(davis2017, input_size, seen):
    features = Colours()
    protocol = replace(PROTOCOL, input_size=input_size)
    result = Davis(str(davis2017), protocol).evaluate(features)
    assert features.sizes[0] == seen
    assert result.metrics["J-Mean"] > 0.6  # scored at the masks' own size whatever the input's


def test_saved_masks_score_the_same_by_the_command(davis2017, tmp_path, capsys):
    saved = tmp_path / "masks"
    benchmark = Davis(str(davis2017), PROTOCOL)
    benchmark.outputs = Outputs(saved)
    result = benchmark.evaluate(Colours())
    assert Image.open(saved / "walk" / "00000.png").mode == "P"
    truth = read_ids(davis2017 / "Annotations/480p/walk/00000.png")
    assert np.array_equal(read_ids(saved / "walk" / "00000.png"), truth)  # given, not propagated
    table = tmp_path / "scores.csv"
    code = score_main(["--gt", str(davis2017), "--pred", str(saved), "--csv", str(table)])
    assert code == 0
    assert "J&F-Mean" in capsys.readouterr().out
    lines = table.read_text().splitlines()
    assert lines[0].startswith("sequence,object,J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean")
    assert float(lines[1].split(",")[2]) == pytest.approx(result.value, abs=1e-12)
    assert len(lines) == 1 + 1 + 4


def test_ground_truth_scores_one(davis2017, davis2016, capsys):
    for root, year in ((davis2017, "2017"), (davis2016, "2016")):
        code = score_main(
            ["--gt", str(root), "--pred", str(root / "Annotations/480p"), "--year", year]
        )
        assert code == 0
        assert "1.000" in capsys.readouterr().out


def expect_failed(arguments, capsys, sequence, *words):
    """One of two sequences costs itself only, and is named."""
    assert score_main([str(argument) for argument in arguments]) == 1
    shown = capsys.readouterr()
    assert f"error: figures without 1 of 2 sequences that failed: {sequence}\n" == shown.err
    assert f"failed: {sequence}: " in shown.out
    assert all(word in shown.out for word in words)


def expect_error(arguments, capsys, *words):
    assert score_main([str(argument) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1
    assert all(word in told for word in words), told


def test_bad_predictions_are_named(davis2017, tmp_path, capsys):
    gt = davis2017 / "Annotations/480p"
    pred = tmp_path / "pred"
    base = ["--gt", davis2017, "--pred", pred]
    expect_error(base, capsys, "lacks 2 of 2 sequences", "walk")
    for name in ("walk", "run"):
        (pred / name).mkdir(parents=True)
        for path in (gt / name).iterdir():
            (pred / name / path.name).write_bytes(path.read_bytes())
    broken = pred / "walk" / "00002.png"
    Image.open(broken).convert("RGB").save(broken)
    expect_failed(base, capsys, "walk", "00002.png has mode RGB")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(broken)
    expect_failed(base, capsys, "walk", "00002.png is (5, 5), the true mask (48, 56)")
    broken.write_bytes(b"")
    expect_failed(base, capsys, "walk", "00002.png cannot be read as an image")
    broken.unlink()
    expect_failed(base, capsys, "walk", "00002.png: no such mask")
    expect_error(["--gt", tmp_path / "none", "--pred", pred], capsys, "no such folder")


def test_a_listed_sequence_that_is_missing_is_named(davis2017):
    with (davis2017 / "ImageSets/2017/val.txt").open("a") as file:
        file.write("jump\n")
    with pytest.raises(
        DataError, match=r"lacks 1 of the 3 sequences of ImageSets/2017/val\.txt: jump"
    ):
        Davis(str(davis2017), PROTOCOL).prepare()


def test_allow_missing_measures_the_others(davis2017):
    with (davis2017 / "ImageSets/2017/val.txt").open("a") as file:
        file.write("jump\n")
    benchmark = Davis(str(davis2017), PROTOCOL, allow_missing=True)
    benchmark.prepare()
    result = benchmark.copy_first_mask()
    assert [row["sequence"] for row in result.per_object] == ["walk", "walk", "run", "run"]
    assert result.settings["sequences"] == 2
    (davis2017 / "ImageSets/2017/val.txt").write_text("jump\nswim\n")
    with pytest.raises(DataError, match="lacks 2 of the 2"):
        benchmark.prepare()


def test_the_list_of_2016_s_own_archive(davis2016):
    (davis2016 / "ImageSets/2016/val.txt").unlink()
    (davis2016 / "ImageSets/480p").mkdir()
    (davis2016 / "ImageSets/480p/val.txt").write_text(
        "".join(
            f"/JPEGImages/480p/run/{t:05d}.jpg /Annotations/480p/run/{t:05d}.png\n"
            for t in range(5)
        )
    )
    assert Davis(str(davis2016), PROTOCOL, year=2016).files.sequences() == ["run"]


def test_masks_of_2017_as_one_object(davis2017):
    files = DavisFiles(davis2017, 2016)
    path = files.masks("walk")[0]
    ids = read_ids(path).copy()
    ids[0, 0] = 255
    write_ids(path, ids)
    assert np.array_equal(files.read_mask(path), (ids > 0) & (ids < 255))


def test_a_list_of_another_year_is_not_taken_for_none(davis2016):
    with pytest.raises(DataError, match=r"2017 has no list val\.txt; there are: 2016/val"):
        Davis(str(davis2016), PROTOCOL, year=2017).prepare()


def test_masks_of_2016_taken_for_2017(davis2016):
    (davis2016 / "ImageSets/2016/val.txt").unlink()
    with pytest.raises(DataError, match=r"no object but void \(255\); are these masks of 2016"):
        Davis(str(davis2016), PROTOCOL, year=2017).copy_first_mask()


def test_result_is_json(davis2017):
    protocol = replace(PROTOCOL, input_size=[48, 56])
    result = Davis(str(davis2017), protocol).copy_first_mask()
    again = json.loads(json.dumps(result.as_dict()))
    assert again["metrics"] == result.metrics
    assert again["settings"]["input_size"] == [48, 56]
    assert again["objective"] == "J&F-Mean"


def test_progress_is_told(davis2017):
    told = []
    Davis(str(davis2017), PROTOCOL).copy_first_mask(lambda *news: told.append(news))
    assert told == [(1, 2, "walk"), (2, 2, "run")]


def test_masks_that_cannot_be_saved(davis2017, tmp_path):
    (tmp_path / "file").write_text("")
    benchmark = Davis(str(davis2017), PROTOCOL)
    benchmark.outputs = Outputs(tmp_path / "file")
    with pytest.raises(DataError, match="file/walk cannot be written"):
        benchmark.evaluate(Colours())


def test_a_typo_in_the_split_does_not_measure_all_folders(davis2017):
    with pytest.raises(DataError, match=r"no list vall\.txt \(did you mean 'val'\?\)"):
        Davis(str(davis2017), PROTOCOL, split="vall").prepare()


def test_a_list_that_is_no_text_is_refused_by_name(davis2017):
    path = davis2017 / "ImageSets/2017/val.txt"
    path.write_bytes(path.read_bytes() + b"\xd2\xff\n")
    with pytest.raises(DataError, match="has no proper name"):
        DavisFiles(davis2017).sequences()


def test_without_a_list_the_folders_count(davis2017):
    (davis2017 / "ImageSets/2017/val.txt").unlink()
    assert Davis(str(davis2017), PROTOCOL).files.sequences() == ["run", "walk"]


def test_a_sequence_that_does_not_fit_is_named_and_the_rest_measured(davis2017):
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(
        davis2017 / "JPEGImages/480p/walk/00000.jpg"
    )
    result = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    assert "differ in size" in result.failed["walk"]
    assert {row["sequence"] for row in result.per_object} == {"run"}
    assert result.settings["sequences"] == 1
    (davis2017 / "JPEGImages/480p/run/00004.jpg").unlink()
    with pytest.raises(DataError, match=r"differ in size.*00004.png has no frame of that name"):
        Davis(str(davis2017), PROTOCOL).evaluate(Colours())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mask_that_cannot_be_scored_fails_its_sequence_only(davis2017, workers):
    path = davis2017 / "Annotations/480p/walk/00002.png"
    Image.open(path).convert("RGB").save(path)
    result = Davis(str(davis2017), PROTOCOL, workers=workers).evaluate(Colours())
    assert "mode RGB" in result.failed["walk"]
    assert [row["sequence"] for row in result.per_object] == ["run", "run"]


def renumber(root, sequence, values):
    """Give objects 1, 2 and so on other values in all true masks."""
    table = np.array([0, *values, *[0] * (255 - len(values))], np.uint8)
    for path in sorted((root / "Annotations/480p" / sequence).iterdir()):
        Image.fromarray(table[read_ids(path)]).save(path)


@pytest.mark.parametrize("values", [(38, 75), (85, 170), (3, 9), (2, 1), (1, 3)])
def test_values_that_are_no_ids_are_refused_or_counted_as_often_as_they_exist(davis2017, values):
    """The official tool gives 1.0 for each id that is nowhere."""
    plain = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    renumber(davis2017, "walk", values)
    result = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    if values == (2, 1):
        assert result.metrics == pytest.approx(plain.metrics)
        return
    told = result.failed["walk"]
    assert "walk/00000.png holds the values " + ", ".join(map(str, values)) in told
    assert "allow_gaps=true" in told
    allowed = Davis(str(davis2017), PROTOCOL, allow_gaps=True).evaluate(Colours())
    assert allowed.metrics == pytest.approx(plain.metrics)
    assert allowed.settings != plain.settings
    assert [row["object"] for row in allowed.per_object if row["sequence"] == "walk"] == [*values]


def test_an_object_that_comes_later_is_scored_as_the_official_tool_does(davis2017):
    """Id 1 is not in the first mask, and is in others."""
    path = davis2017 / "Annotations/480p/walk/00000.png"
    ids = read_ids(path)
    Image.fromarray(np.where(ids == 1, 0, ids).astype(np.uint8)).save(path)
    rows = Davis(str(davis2017), PROTOCOL).evaluate(Colours()).per_object
    assert [row["J-Mean"] == 0 for row in rows if row["sequence"] == "walk"] == [True, False]


def test_the_command_refuses_values_that_are_no_ids(davis2017, capsys):
    renumber(davis2017, "walk", (38, 75))
    masks = davis2017 / "Annotations/480p"
    base = ["--gt", davis2017, "--pred", masks]
    expect_failed(base, capsys, "walk", "00000.png", "38, 75", "--allow-gaps")
    assert score_main(["--gt", str(davis2017), "--pred", str(masks), "--allow-gaps"]) == 0


def test_the_cases_of_masks_that_are_no_ids(real_data):
    """One scene with ids 1 and 2, 3 and 9, and as grey levels: the same figures, or refused."""
    cases, found = real_data / "cases" / "masks", {}
    for name in ("palette", "gap_ids", "grey_levels"):
        found[name] = Davis(str(cases / name), PROTOCOL, allow_gaps=True).evaluate(Colours())
        if name != "palette":
            with pytest.raises(DataError, match=r"00000\.png holds the values"):
                Davis(str(cases / name), PROTOCOL).evaluate(Colours())
    values = {name: result.value for name, result in found.items()}
    assert values == pytest.approx(dict.fromkeys(values, values["palette"]))


def test_processes_score_the_same(davis2017):
    alone = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    assert Davis(str(davis2017), PROTOCOL, workers=2).evaluate(Colours()).metrics == alone.metrics


def test_scoring_at_the_input_s_size(davis2017):
    protocol = replace(PROTOCOL, input_size=[48, 56], score_at="input")
    result = Davis(str(davis2017), protocol).evaluate(Colours())
    own = Davis(str(davis2017), replace(PROTOCOL, input_size=[48, 56])).evaluate(Colours())
    walk, run = (result.per_object[i]["J-Mean"] for i in (0, 2))
    assert walk == own.per_object[0]["J-Mean"]  # 48 x 56 as it is
    assert run != own.per_object[2]["J-Mean"]  # 48 x 64, squeezed


def test_fingerprint_follows_the_masks(davis2017):
    benchmark = Davis(str(davis2017), PROTOCOL)
    before = benchmark.fingerprint()
    assert before == Davis(str(davis2017), Propagation()).fingerprint()
    (davis2017 / "ImageSets/2017/val.txt").write_text("walk\n")
    assert benchmark.fingerprint() != before


def test_fingerprint_follows_the_frames(davis2017):
    benchmark = Davis(str(davis2017), PROTOCOL)
    frames = benchmark.frames("walk")
    known = [benchmark.fingerprint()]
    frames[1].write_bytes(frames[1].read_bytes() + b"another compression")
    known.append(benchmark.fingerprint())
    frames[1].rename(frames[1].with_name("00009.jpg"))
    known.append(benchmark.fingerprint())
    for path in frames[0].parent.glob("*.jpg"):  # ground truth alone, as siammae.score needs it
        path.unlink()
    known.append(benchmark.fingerprint())
    assert len(set(known)) == len(known)


def test_real_davis_masks(real_data):
    benchmark = Davis(str(real_data / "davis2016" / "DAVIS"), Propagation(), year=2016)
    names = benchmark.files.sequences()
    assert len(names) == 10
    assert set(np.unique(benchmark.files.read_mask(benchmark.files.masks(names[0])[0]))) == {0, 1}
    assert set(np.unique(read_ids(benchmark.files.masks(names[0])[0]))) == {0, 255}


def test_frames_and_masks_are_paired_by_name(davis2017):
    """As many of both, but one of each is of another time."""
    frames, masks = (davis2017 / kind / "480p/run" for kind in ("JPEGImages", "Annotations"))
    (frames / "00001.jpg").unlink()
    (masks / "00003.png").unlink()
    result = Davis(str(davis2017), PROTOCOL).evaluate(Colours())
    assert result.failed == {"run": f"{masks / '00001.png'} has no frame of that name in {frames}"}
    assert result.settings["sequences"] == 1


def test_a_first_mask_of_another_name_is_told(davis2017, tmp_path, capsys):
    masks = davis2017 / "Annotations/480p/run"
    shutil.copytree(masks.parent, tmp_path / "pred")
    (masks / "00000.png").rename(masks / "x.png")
    with pytest.raises(DataError, match=r"00000\.jpg has no mask of that name in"):
        DavisFiles(davis2017).pairs("run")
    base = ["--gt", davis2017, "--pred", tmp_path / "pred"]
    expect_failed(base, capsys, "run", "00000.jpg has no mask of that name")
    shutil.rmtree(davis2017 / "JPEGImages")  # masks alone, as a scorer may have them
    expect_failed(base, capsys, "run", "pred/run/00000.png has no true mask of that name")


def test_numbers_order_frames_whatever_their_zeros(davis2017):
    for kind in ("JPEGImages", "Annotations"):
        for path in (davis2017 / kind / "480p/run").iterdir():
            path.rename(path.with_stem(str(int(path.stem) + 7)))
    pairs = DavisFiles(davis2017).pairs("run")
    assert [(f.stem, m.stem) for f, m in pairs] == [(str(n), str(n)) for n in range(7, 12)]


def test_the_first_mask_alone_is_told_as_before(davis2017):
    for path in sorted((davis2017 / "Annotations/480p/run").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="run has 5 frames but 1 masks"):
        DavisFiles(davis2017).pairs("run")


@pytest.mark.parametrize(
    ("text", "told"), [("", "lists no sequence"), ("walk\nrun\nwalk\n", "the sequence walk twice")]
)
def test_a_list_without_a_name_or_with_one_twice_is_told(davis2017, text, told):
    path = davis2017 / "ImageSets/2017/val.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(f"{path} lists ") + f".*{told.split()[-1]}"):
        DavisFiles(davis2017).sequences()
