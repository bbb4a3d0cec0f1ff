"""The command, against the official tool's definition written out here."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from siammae.score import main

VOID = 255


def write_masks(folder: Path, masks: np.ndarray, mode: str = "P") -> None:
    folder.mkdir(parents=True)
    for t, ids in enumerate(masks):
        image = Image.fromarray(ids.astype(np.uint8), mode=mode)
        if mode == "P":
            image.putpalette([channel for i in range(256) for channel in (i, 255 - i, i // 2)])
        image.save(folder / f"{t:05d}.png")


def moving(rng, frames, height, width, objects):
    """Ellipses that drift, overlap and leave; later ones lie above."""
    y, x = np.mgrid[0:height, 0:width]
    masks = np.zeros((frames, height, width), np.uint8)
    for number in range(1, objects + 1):
        cy, cx, vy, vx = rng.uniform([10, 10, -2, -3], [height - 10, width - 10, 2, 3])
        ry, rx = rng.uniform(5, 12, 2)
        for t in range(frames):
            inside = ((y - cy - vy * t) / ry) ** 2 + ((x - cx - vx * t) / rx) ** 2 < 1
            masks[t][inside] = number
    return masks


@pytest.fixture
def case(tmp_path):
    """Ground truth and predictions of three sequences, of several sizes, with void pixels."""
    rng = np.random.default_rng(7)
    truths, guesses = {}, {}
    sizes = {"one": (9, 48, 70, 1), "two": (14, 60, 64, 3), "six": (4, 40, 90, 2)}
    for name, (frames, height, width, objects) in sizes.items():
        truth = moving(rng, frames, height, width, objects)
        truth[0, :2, :objects] = np.arange(1, objects + 1)  # each id is in the first mask
        guess = np.roll(truth, 2, axis=2)
        guess[rng.random(guess.shape) < 0.02] = 0
        truth[:, -3:, 5:20] = VOID
        truths[name], guesses[name] = truth, guess
        write_masks(tmp_path / "gt/Annotations/480p" / name, truth)
        write_masks(tmp_path / "pred" / name, guess)
    lists = tmp_path / "gt/ImageSets/2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(truths))
    return tmp_path, truths, guesses


def contour(mask):
    """Pixels that differ from a neighbour to the right, below, or diagonally below."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (
        (mask != padded[:-1, 1:])
        | (mask != padded[1:, :-1])
        | ((mask != padded[1:, 1:]) & _inner(mask))
    )


def _inner(mask):
    inner = np.ones(mask.shape, bool)
    inner[-1], inner[:, -1] = False, False
    return inner


def official(truths, guesses):
    """Rows (sequence, object) -> six figures, and the seven global ones."""
    rows = {}
    for name, truth in truths.items():
        truth = np.where(truth == VOID, 0, truth)
        for number in range(1, truth[0].max() + 1):
            js, fs = [], []
            for t in range(1, len(truth) - 1):
                a, b = truth[t] == number, guesses[name][t] == number
                js.append((a & b).sum() / (a | b).sum() if (a | b).any() else 1.0)
                fs.append(boundary_f(a, b))
            rows[name, number] = [*describe(js), *describe(fs)]
    means = np.mean(list(rows.values()), axis=0)
    return rows, [(means[0] + means[3]) / 2, *means]


def boundary_f(a, b):
    reach = math.ceil(0.008 * math.sqrt(a.shape[0] ** 2 + a.shape[1] ** 2))
    ea, eb = contour(a), contour(b)
    if not ea.any() and not eb.any():
        return 1.0
    if not ea.any() or not eb.any():
        return 0.0
    precision = (distance_transform_edt(~ea)[eb] <= reach).mean()
    recall = (distance_transform_edt(~eb)[ea] <= reach).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def describe(values):
    n = len(values)
    marks = [round(1 + (n - 1) * i / 4 + 1e-10) - 1 for i in range(5)]
    first, last = values[marks[0] : marks[1] + 1], values[marks[3] : marks[4] + 1]
    recall = sum(value > 0.5 for value in values) / n
    return sum(values) / n, recall, sum(first) / len(first) - sum(last) / len(last)


HEADS = ["J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]


def test_figures_are_the_official_ones(case, capsys):
    root, truths, guesses = case
    table = root / "figures.csv"
    arguments = ["--gt", root / "gt", "--pred", root / "pred", "--csv", table]
    assert main([str(argument) for argument in arguments]) == 0
    rows, everything = official(truths, guesses)
    with table.open() as file:
        first, *others = list(csv.DictReader(file))
    assert first["sequence"] == "global"
    figures = [float(first[head]) for head in ["J&F-Mean", *HEADS]]
    np.testing.assert_allclose(figures, everything, atol=1e-6)
    assert [(row["sequence"], int(row["object"])) for row in others] == list(rows)
    for row, expected in zip(others, rows.values(), strict=True):
        np.testing.assert_allclose([float(row[head]) for head in HEADS], expected, atol=1e-6)
        joint = (expected[0] + expected[3]) / 2
        assert float(row["J&F-Mean"]) == pytest.approx(joint, abs=1e-6)
    shown = capsys.readouterr().out
    assert all(f"{value:.3f}" in shown for value in everything)


def test_first_and_last_masks_need_not_be_there(case, capsys):
    root, truths, _ = case
    arguments = ["--gt", str(root / "gt"), "--pred", str(root / "pred"), "--set", "val"]
    assert main(arguments) == 0
    before = capsys.readouterr().out
    for name, truth in truths.items():
        (root / "pred" / name / "00000.png").unlink()
        (root / "pred" / name / f"{len(truth) - 1:05d}.png").unlink()
    assert main(arguments) == 0
    assert capsys.readouterr().out == before


def test_an_id_that_no_object_has(case, capsys):
    root, _, guesses = case
    guesses["one"][3, 4, 4] = 5
    Image.fromarray(guesses["one"][3]).save(root / "pred/one/00003.png")
    assert main(["--gt", str(root / "gt"), "--pred", str(root / "pred")]) == 1
    shown = capsys.readouterr()
    assert "one: predicted id 5, but its objects are 1 to 1" in shown.out
    assert "error: figures without 1 of 3 sequences that failed: one" in shown.err


def test_a_damaged_mask_costs_its_sequence_only(case, capsys):
    root, truths, guesses = case
    path = root / "pred/two/00005.png"
    spoiled = bytearray(path.read_bytes())
    spoiled[-30] ^= 1
    path.write_bytes(spoiled)
    table = root / "figures.csv"
    arguments = ["--gt", root / "gt", "--pred", root / "pred", "--csv", table]
    assert main([str(argument) for argument in arguments]) == 1
    shown = capsys.readouterr()
    assert "00005.png cannot be read as an image: it is damaged" in shown.out.replace("\n", " ")
    assert "without 1 of 3 sequences that failed: two" in shown.err
    whole = {name: masks for name, masks in truths.items() if name != "two"}
    with table.open() as file:
        first = next(csv.DictReader(file))
    figures = [float(first[head]) for head in ["J&F-Mean", *HEADS]]
    np.testing.assert_allclose(figures, official(whole, guesses)[1], atol=1e-6)


def test_2016_takes_grey_and_palette_predictions(tmp_path, capsys):
    masks = moving(np.random.default_rng(1), 6, 50, 60, 1)
    write_masks(tmp_path / "gt/Annotations/480p/one", masks * 255, "L")
    write_masks(tmp_path / "grey/one", masks * 255, "L")
    write_masks(tmp_path / "ones/one", masks, "P")
    write_masks(tmp_path / "white/one", masks * 255, "P")
    for name in ("grey", "ones", "white"):
        arguments = ["--gt", tmp_path / "gt", "--pred", tmp_path / name, "--year", 2016]
        assert main([str(argument) for argument in arguments]) == 0
        shown = capsys.readouterr().out
        assert shown.count("1.000") == 2 * 5  # J&F, means, recalls; decays are 0


@pytest.mark.parametrize("what", ["csv", "empty", "list", "split"])
def test_wrong_arguments_are_told(case, capsys, what):
    root, *_ = case
    arguments = ["--gt", root / "gt", "--pred", root / "pred"]
    if what == "csv":
        arguments += ["--csv", root / "no folder" / "x.csv"]
        expected = "x.csv cannot be written"
    elif what == "empty":
        (root / "nothing").mkdir()
        arguments[3] = root / "nothing"
        expected = "lacks 3 of 3 sequences: one, two, six"
    elif what == "split":
        (root / "gt/ImageSets/2016").mkdir()
        (root / "gt/ImageSets/2016/train.txt").write_text("one")
        arguments += ["--split", "vall"]
        expected = (
            "ImageSets/2017 has no list vall.txt (did you mean 'val'?); "
            "there are: 2016/train, 2017/val"
        )
    else:
        (root / "gt/ImageSets/2017/val.txt").write_text("one\nnine\n")
        expected = (
            "lacks 1 of the 2 sequences of ImageSets/2017/val.txt: nine; "
            "allow_missing=true (siammae.score: --allow-missing) measures the others"
        )
    assert main([str(argument) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert expected in told


def test_allow_missing_scores_what_there_is(case, capsys):
    root, *_ = case
    (root / "gt/ImageSets/2017/val.txt").write_text("one\nnine\n")
    arguments = ["--gt", str(root / "gt"), "--pred", str(root / "pred"), "--allow-missing"]
    assert main(arguments) == 0
    assert "1 sequences, not the official 30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("year", "split", "official"), [("2016", "val", 20), ("2017", "train", 60)]
)
def test_fewer_sequences_than_the_official_ones_are_told(case, capsys, year, split, official):
    root, truths, _ = case
    lists = root / "gt/ImageSets" / year
    lists.mkdir(exist_ok=True)
    (lists / f"{split}.txt").write_text("\n".join(truths))
    arguments = ["--gt", str(root / "gt"), "--pred", str(root / "pred")]
    assert main([*arguments, "--year", year, "--split", split]) == 0
    assert f"3 sequences, not the official {official}" in capsys.readouterr().out


def test_a_split_of_one_s_own_has_no_official_number(case, capsys):
    root, *_ = case
    (root / "gt/ImageSets/2017/mine.txt").write_text("six\n")
    arguments = ["--gt", str(root / "gt"), "--pred", str(root / "pred"), "--split", "mine"]
    assert main(arguments) == 0
    assert "not the official" not in capsys.readouterr().out


def test_as_a_command(case):
    root, *_ = case
    command = [sys.executable, "-m", "siammae.score", "--gt", root / "gt", "--pred", root / "pred"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "J&F-Mean" in done.stdout
    done = subprocess.run([*command[:-1], root / "none"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def told_of_2016(root, capsys, *options):
    arguments = ["--gt", root / "gt", "--pred", root / "pred", *options]
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr().err
    assert code == 2
    assert len(told.splitlines()) == 1
    return told


@pytest.mark.parametrize("lists", ["none", "2016", "480p"])
def test_a_root_of_2016_is_told_the_year(tmp_path, capsys, lists):
    masks = moving(np.random.default_rng(1), 6, 50, 60, 1) * 255
    write_masks(tmp_path / "gt/Annotations/480p/one", masks, "L")
    write_masks(tmp_path / "pred/one", masks, "L")
    if lists != "none":
        (tmp_path / "gt/ImageSets" / lists).mkdir(parents=True)
        line = "one" if lists == "2016" else "/JPEGImages/480p/one/00000.jpg"
        (tmp_path / "gt/ImageSets" / lists / "val.txt").write_text(line)
    told = told_of_2016(tmp_path, capsys)
    assert "for DAVIS 2016 use --year 2016" in told
    assert ("no list val.txt" if lists == "2016" else "00000.png holds 0 and 255 alone") in told
    arguments = ["--gt", tmp_path / "gt", "--pred", tmp_path / "pred", "--year", "2016"]
    assert main([str(argument) for argument in arguments]) == 0


def test_predictions_of_2016_on_2017_are_told_the_year(case, capsys):
    root, *_ = case
    (root / "gt/ImageSets/2016").mkdir()
    (root / "gt/ImageSets/2016/val.txt").write_text("one\nsix\n")
    (root / "pred/two").rename(root / "away")
    assert "sequences: two; for DAVIS 2016 use --year 2016" in told_of_2016(root, capsys)
    (root / "pred/six").rename(root / "gone")
    assert "--year" not in told_of_2016(root, capsys)
