"""Tables of encoders, from results with figures chosen by the test."""

import csv
import json
import sys

import pytest
import yaml
from preloaded import run_command

from siammae.evaluation.measuring.metric import SHARE, Metric
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.result_cache import CONTROL, Evaluations, Setting
from siammae.report.tables import evaluations
from siammae.system.paths import ROOT

DECLARED = {
    "J": Metric("J", "more", SHARE),
    "J&F-Mean": Metric("J&F-Mean", "more", SHARE),
    "J-Decay": Metric("J-Decay", "less", SHARE),
    "EPE": Metric("EPE", "less", "px"),
}


@pytest.fixture
def keep(tmp_path):
    def write(label, name="kitti", fingerprint="f1", top_k=7, settings=None, **metrics):
        setting = Setting(name, {"top_k": top_k}, fingerprint)
        evaluations = Evaluations(tmp_path / "runs/.evaluations", setting)
        told = {"preset": "paper", "sequences": 10, "official_sequences": 20, **(settings or {})}
        declared = tuple(DECLARED[metric] for metric in metrics)
        objective = next(iter(metrics))
        result = BenchmarkResult(name, objective, metrics, settings=told, declared=declared)
        what = {"control": CONTROL} if label == CONTROL else {"encoder": {"content": label}}
        evaluations.keep(what, label, result, device="cpu")

    return write


@pytest.fixture
def tables(tmp_path):
    def make():
        command = [sys.executable, str(ROOT / "analysis/make_tables.py")]
        done = run_command(command, cwd=tmp_path, timeout=100)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_text() for path in (tmp_path / "tables").iterdir()}

    return make


def test_a_row_an_encoder_the_best_in_bold_the_control_last(keep, tables):
    keep(CONTROL, **{"J&F-Mean": 0.9, "J-Decay": 0.0, "EPE": 1.0})
    keep("runs/abc (siammae)", **{"J&F-Mean": 0.5, "J-Decay": 0.1, "EPE": 9.5})
    keep("a|b_c (mae)", **{"J&F-Mean": 0.6, "J-Decay": 0.2, "EPE": 8.25})
    found = tables()
    lines = [line for line in found["evaluation-kitti.md"].splitlines() if line.startswith("|")]
    assert lines == [
        "| encoder | J&F-Mean | J-Decay | EPE (px) |",
        "| --- | ---: | ---: | ---: |",
        "| runs/abc (siammae) | 50.0 | **10.0** | 9.50 |",
        "| a\\|b_c (mae) | **60.0** | 20.0 | **8.25** |",
        "| copy first mask | 90.0 | 0.0 | 1.00 |",
    ]
    caption = "figures in percent, but for EPE (px); less is better in J-Decay, EPE (px); in bold"
    assert caption in found["evaluation-kitti.md"]
    tex = found["evaluation-kitti.tex"]
    assert "a|b\\_c (mae) & \\textbf{60.0} & 20.0 & \\textbf{8.25} \\\\\n\\midrule\ncopy" in tex
    rows = list(csv.DictReader(found["evaluation-kitti.csv"].splitlines()))
    assert [float(row["J&F-Mean"]) for row in rows] == [0.5, 0.6, 0.9]
    behind = json.loads(found["evaluation-kitti.json"])["rows"]
    assert behind["a|b_c (mae)"]["what"] == {"encoder": {"content": "a|b_c (mae)"}}


def test_the_caption_says_what_is_not_comparable(keep, tables):
    keep("one", settings={"note": "no standard protocol"}, J=0.5)
    keep("two", name="davis2016", settings={"sequences": 20, "rotation": 0.0}, J=0.5)
    keep("three", name="turning", settings={"sequences": 20, "rotation": 2.5}, J=0.5)
    found = tables()
    partial, whole = found["evaluation-kitti.md"], found["evaluation-davis2016.md"]
    assert "10 sequences, not the official 20: not comparable; no standard protocol" in partial
    assert "protocol paper; 20 sequences; " in whole
    assert "true masks turning by 2.5 degrees a frame; 20" in found["evaluation-turning.md"]
    assert "not the official" not in whole
    assert "**" not in whole  # nothing is best among one


def test_other_settings_and_files_are_other_tables(keep, tables):
    keep("old", top_k=5, J=0.25)
    keep("other files", fingerprint="f2", J=0.125)
    keep("new", J=0.75)
    found = tables()
    names = sorted(name for name in found if name.endswith(".md"))
    assert names == [f"evaluation-kitti{end}.md" for end in ("-2", "-3", "")]
    assert "new" in found["evaluation-kitti.md"]
    assert "old" in found["evaluation-kitti-3.md"]


def test_rows_of_several_versions_are_told(keep, tables, tmp_path):
    keep("one", J=0.5)
    keep("two", J=0.25)
    path = next((tmp_path / "runs/.evaluations").glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "code_version": "c9"}))
    (tmp_path / "runs/.evaluations/broken.json").write_text("{")
    text = tables()["evaluation-kitti.md"]
    assert "rows come from 2 values of code version" in text
    assert "c9" in text


def test_a_caption_tells_what_was_set_otherwise_than_its_preset():
    preset = yaml.safe_load((ROOT / "configs/protocol/dino.yaml").read_text())
    assert evaluations.protocol(preset["parts"]) == "protocol dino"
    changed = {**preset["objects"], "input_size": 240, "multiple": None, "sequences": 10}
    told = evaluations.protocol(changed)
    assert told == "protocol dino but with input_size 240, multiple None"
    assert evaluations.protocol({"preset": "sprites", "top_k": 5}) == "protocol sprites"
