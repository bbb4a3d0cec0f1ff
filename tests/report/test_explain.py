"""A cell says what is behind it, by whatever name it is called."""

import json
from pathlib import Path

import numpy as np
import pytest

from siammae.report import make_tables
from siammae.report.tables.metric_names import find_metric, named
from siammae.system.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


EXPERIMENT = """
experiment:
  name: decoder
  question: Which decoder?
  source: Table 2, second-hand
  axes: {decoder: [joint, cross, cross_self]}
  rows:
    - {set: {decoder: joint}, label: joint}
    - {set: {decoder: cross}, label: cross / plain, paper: {J&F-Mean: 52.2}}
    - set: {decoder: cross_self}
      label: cross-self
      default: true
      paper: {J&F-Mean: 58.1, mIoU: 37.3}
    - {set: null, label: MAE, paper: {J&F-Mean: 53.5}}
"""


@pytest.fixture
def ask(make_run, tmp_path):
    """ask(CELL) after one seed of joint and cross-self, with figures of eight videos."""
    return asked(make_run, tmp_path, videos=8)


def asked(make_run, tmp_path, videos, seeds=(0, 0)):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "decoder.yaml").write_text(EXPERIMENT)
    draw, names = np.random.default_rng(0), ("J&F-Mean", "J-Mean", "F-Mean")
    for name, decoder, seed in zip(("run0", "run1"), ("joint", "cross_self"), seeds, strict=True):
        rows = [
            {"sequence": f"v{v}", "object": o, **dict.fromkeys(names, float(draw.uniform()))}
            for v in range(videos)
            for o in range(1 + v % 3)
        ]
        jf = float(np.mean([row["J&F-Mean"] for row in rows]))
        facts = {"per_object": rows, "experiment": "decoder", "dirty": decoder == "joint"}
        facts["seed"] = seed
        record = make_run(name, jf, {"decoder": decoder}, **facts)
        record.checkpoints.mkdir()
        (record.checkpoints / "step-00000002.pt").write_bytes(b"weights")
        (record.checkpoints / "step-00000002.pt.sha256").write_text("abc123  step-00000002.pt\n")

    def explained(cell):
        return make_tables.explained(tmp_path / "runs", tmp_path / "experiments", cell)

    return explained


def test_a_cell_names_runs_code_files_pairs_and_source(ask, tmp_path):
    text = ask("decoder/joint/jf")
    assert "decoder / joint / J&F-Mean" in text
    assert "run0: seed 0, J&F" in text
    assert "commit f00 with changes (git.diff), code c1, device unknown" in text
    assert "python -m siammae.train decoder=joint" in text
    assert str(tmp_path / "runs" / "run0" / "summary.json") in text
    assert "sha256 abc123" in text
    assert "difference from cross-self" in text
    assert "paired over videos, clusters of their objects; of seed 0" in text
    assert all(f"  v{v}: " in text for v in range(8))
    assert "interval: none, of one figure no spread is known" in text
    assert "decoder.json" in text


def test_the_papers_figure_has_its_source(ask):
    for cell in ("decoder/cross-self/jf", "decoder/MAE/jf"):
        assert "Table 2, second-hand" in ask(cell)
    assert "no finished run" in ask("decoder/MAE/jf")
    assert "paper: 37.3" in ask("decoder/default/miou")


@pytest.mark.parametrize(
    "cell",
    [
        "Decoder/CROSS_SELF/J&F",
        "decoder/crossself/J&F-Mean",
        "decoder/default/jf",
        "decoder/cross-self (default)/jf",
    ],
)
def test_case_and_punctuation_do_not_matter(ask, cell):
    assert "decoder / cross-self / J&F-Mean" in ask(cell)


@pytest.mark.parametrize("row", ["untrained encoder", "untrained encoder (control)"])
def test_a_control_is_found_as_it_is_printed(ask, row):
    assert "decoder / untrained encoder / J&F-Mean" in ask(f"decoder/{row}/jf")


def test_what_is_not_the_default_is_not_found_as_it(ask):
    with pytest.raises(DataError, match=r"no row 'joint \(default\)'; did you mean joint"):
        ask("decoder/joint (default)/jf")


@pytest.mark.parametrize(
    ("videos", "seeds", "told"),
    [
        (2, (0, 0), "one seed in common with the default (it takes two), and 2 videos in common "
                    "(it takes 5)"),
        (8, (0, 1), "no seed in common with the default"),
    ],
)  # fmt: skip
def test_a_missing_difference_says_what_it_lacks(make_run, tmp_path, videos, seeds, told):
    ask = asked(make_run, tmp_path, videos, seeds)
    assert f"difference from cross-self: none, {told}" in ask("decoder/joint/jf")
    make_tables.make_tables(tmp_path / "runs", tmp_path / "out", tmp_path / "experiments")
    content = json.loads((tmp_path / "out" / "decoder.json").read_text())
    assert f"no difference of joint: {told}" in content["notes"]


def test_names_with_a_slash_are_found(ask):
    assert "decoder / cross / plain / train/loss" in ask("decoder/cross / plain/train/loss")
    assert "decoder / joint / train/loss" in ask("decoder/joint/train/loss")


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("decodr/joint/jf", "no table 'decodr'; did you mean decoder?"),
        ("decoder/jiont/jf", "no row 'jiont'; did you mean joint?"),
        ("decoder/joint/lss", "no metric 'lss'; did you mean loss?"),
        ("decoder/joint", "TABLE/ROW/METRIC"),
    ],
)
def test_the_nearest_names_are_offered(ask, cell, told):
    with pytest.raises(DataError) as error:
        ask(cell)
    assert told in str(error.value)


def test_the_sidecar_has_the_same_of_every_cell(ask, tmp_path):
    out = tmp_path / "tables"
    make_tables.make_tables(tmp_path / "runs", out, tmp_path / "experiments")
    text = (out / "decoder.json").read_text()
    assert "NaN" not in text
    content = json.loads(text)
    cell = content["cells"]["joint"]["J&F-Mean"]
    summary = json.loads((tmp_path / "runs" / "run0" / "summary.json").read_text())
    assert cell["figures"] == {"run0": summary["objective"]["value"]}
    assert len(cell["difference"]["pairs"]) == 8
    assert np.mean(list(cell["difference"]["pairs"].values())) == pytest.approx(
        cell["difference"]["diff"]
    )
    assert content["files"]["run0"]["checkpoint_sha256"] == "abc123"
    assert content["cells"]["MAE"]["J&F-Mean"]["paper"]["figure"] == 53.5
    assert {"scipy", "statsmodels"} <= content["libraries"].keys()
    for ending in ("md", "tex", "csv"):
        assert "decoder.json" in (out / f"decoder.{ending}").read_text()


def test_short_names_of_metrics():
    metrics = ["J&F-Mean", "J-Mean", "F-Mean", "mIoU", "PCK@0.1", "PCK@0.2", "train/loss"]
    names = ["jf", "j", "f", "miou", "pck1", "pck@0.2", "loss"]
    assert [str(find_metric(name, map(named, metrics))) for name in names] == metrics

    def found(name, *of):
        metric = find_metric(name, map(named, of))
        return metric and metric.name

    assert found("jf", "davis/J&F-Mean", "vip/mIoU") == "davis/J&F-Mean"
    assert found("jf", "davis/J&F-Mean", "mots/J&F-Mean") is None
    assert found("mots/jf", "davis/J&F-Mean", "mots/J&F-Mean") == "mots/J&F-Mean"
