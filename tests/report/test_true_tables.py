"""Figures that are NaN, infinite or equal, controls that win, and rows that are one run."""

import json
import math
import re

import pandas as pd
import pytest

from siammae.report import make_tables
from siammae.system.paths import ROOT


@pytest.fixture
def made(make_run, tmp_path):
    """Make the tables of tmp_path/runs; returns a function that reads one of them."""

    def make(name="mask_ratio"):
        out = tmp_path / "tables"
        make_tables.make_tables(tmp_path / "runs", out, ROOT / "experiments")
        rows = pd.read_csv(out / f"{name}.csv").set_index("label")
        return rows, (out / f"{name}.md").read_text(), out

    return make


def runs(make_run, figures, **facts):
    """A run for each figure of each setting, by seed."""
    for ratio, values in figures.items():
        for seed, value in enumerate(values):
            overrides = {"mask_ratio": ratio, "seed": str(seed)}
            make_run(f"r{ratio}s{seed}", value, overrides, seed=seed, **facts)


def bold(text):
    return re.findall(r"^\| \*\*(mask_ratio=[\d.]+)", text, re.M)


def test_n_is_of_how_many_the_mean_is_and_nan_is_told(made, make_run):
    runs(make_run, {"0.5": (0.3, math.nan, 0.4), "0.9": (0.3, 0.35, 0.37)})
    rows, text, out = made()
    assert rows.loc["mask_ratio=0.5", "n"] == 2
    assert rows.loc["mask_ratio=0.5", "J&F-Mean"] == pytest.approx(0.35)
    assert rows.loc["mask_ratio=0.9", "n"] == 3
    told = "mask_ratio=0.5: J&F of 2 of its 3 runs; not a number, or not measured, in r0.5s1"
    assert f"- {told}\n" in text
    assert "mask_ratio=0.9: J&F" not in text
    cells = json.loads((out / "mask_ratio.json").read_text())["cells"]
    assert cells["mask_ratio=0.5"]["J&F-Mean"]["n"] == 2
    assert "n = 2" in (out / "index.html").read_text()


def test_a_row_that_was_never_measured_counts_none(made, make_run):
    runs(make_run, {"0.5": (math.nan,), "0.9": (0.3,)})
    rows, text, _ = made()
    assert list(rows["n"])[:2] == [0, 1]
    assert bold(text) == []  # of one figure none is best


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ((0.40001, 0.40004, 0.39), ["0.1", "0.5"]),
        ((0.4004, 0.4006, 0.39), ["0.5"]),  # 40.0 and 40.1
        ((0.4, 0.4, 0.4), ["0.1", "0.5", "0.9"]),
    ],
)
def test_rows_that_print_alike_are_bold_together(made, make_run, figures, best):
    runs(make_run, {ratio: (f,) for ratio, f in zip(("0.1", "0.5", "0.9"), figures, strict=True)})
    rows, text, _ = made()
    assert bold(text) == [f"mask_ratio={ratio}" for ratio in best]
    assert list(rows.index[rows["best"]]) == bold(text)


@pytest.mark.parametrize(
    ("control", "beaten"),
    [(0.2, False), (0.35, False), (0.40004, True), (0.45, True)],  # J&F of 0.3 and 0.4
)
def test_that_the_controls_win_is_said_where_it_is_so(made, make_run, control, beaten):
    runs(make_run, {"0.5": (0.3,), "0.9": (0.4,)}, control=control)
    _, text, _ = made()
    assert ("No setting beats the controls" in text) == beaten
    if beaten:
        assert f"40.0 (mask_ratio=0.9), is not better than {100 * control:.1f} (" in text


@pytest.mark.filterwarnings("error:invalid value")
def test_infinite_figures_break_nothing(made, make_run):
    """A loss, and an error measure, of a training that diverged."""
    history = [{"step": 1, "train/loss": math.inf}, {"step": 2, "train/loss": -math.inf}]
    runs(make_run, {"0.5": (0.3, math.inf), "0.9": (math.inf, math.inf)}, history=history)
    runs(make_run, {"0.7": (0.3, 0.4)}, history=history)
    rows, text, out = made()
    assert rows.loc["mask_ratio=0.5", "n"] == 2
    assert "inf" in text

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    for path in out.glob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)
    assert not re.search(r">\s*[+-]?nan\b", (out / "index.html").read_text(), re.I)
    assert (out / "mask_ratio.png").stat().st_size > 1000


def test_rows_that_are_one_run_are_named(made, make_run):
    record = make_run("abc", 0.3, {"seed": "0"}, experiment="main", axes=["encoder.patch_size"])
    path = record.folder / "invocations.jsonl"
    call = json.loads(path.read_text())
    other = call | {"overrides": {"encoder.patch_size": "8", "seed": "0"}}
    path.write_text(json.dumps(call) + "\n" + json.dumps(other) + "\n")
    _, text, _ = made("main")
    rows = "SiamMAE (paper: ViT-S/16) and SiamMAE, patches of 8 pixels (paper: ViT-S/8)"
    assert f"- {rows}: one and the same run, abc\n" in text
