"""Calibration in tables and figures: directions, units, pairing over clips, and stored curves."""

import json
import sys

import matplotlib as mpl
import numpy as np
import pytest

from siammae.evaluation.benchmarks.calibration import Calibration
from siammae.evaluation.measuring.metric import directions_of, units_of
from siammae.evaluation.scores.calibration import LEVELS, residuals

mpl.use("Agg")
from siammae.report import make_tables
from siammae.report.figures import calibration_curves
from siammae.report.figures.calibration import Curves
from siammae.report.tables.by_video import by_video
from siammae.report.tables.metric_names import find_metric, named
from siammae.system.errors import DataError

CLIPS = 6


class Told(Calibration):
    """Clips of whose pixels all is known."""

    def __init__(self, off):
        self.pairs, self.off, self.root = 2, off, None

    def videos(self):
        return [f"{number}.mp4" for number in range(CLIPS)]

    def control(self, video):
        rng = np.random.default_rng(int(video[0]))
        target = rng.normal(size=(2, 5, 12)) * (1 + 0.2 * int(video[0]))
        pairs = type("Pairs", (), {"gaps": np.array([2, 9])})
        return residuals(target, 0 * target, np.full((2, 5, 1), self.off), "normal"), pairs

    def copy_first_mask(self, on_video=None):
        return self._scored(self.control, on_video)

    def settings(self):
        return {}


@pytest.fixture
def result():
    return Told(0.6).copy_first_mask()


def test_every_figure_is_a_sum_over_clips(result):
    """The calibration error too; so two seeds are compared with paired clips."""
    for metric, figure in result.metrics.items():
        found = by_video(result.per_object, result.metric(metric), figure)
        assert found is not None, metric
        assert found.videos == tuple(f"{number}.mp4" for number in range(CLIPS))
        assert found.contributions().mean() == pytest.approx(figure)
    rows = [{"benchmark": "calibration", **row} for row in result.per_object]
    of_suite = result.metric("ECE").in_suite("calibration", False)
    assert by_video(rows, of_suite, result.metrics["ECE"]) is not None


def test_a_clip_s_share_of_the_error_is_what_its_weight_changes(result):
    """Against the error with one clip counted a little more, signs being as they are."""
    found = by_video(result.per_object, result.metric("ECE"), result.metrics["ECE"])
    below = np.array([row["below"] for row in result.per_object])
    for clip in range(CLIPS):
        weights = np.ones(CLIPS) / CLIPS
        small = 1e-6
        weights[clip] += small
        changed = np.abs(weights @ below / weights.sum() - LEVELS).mean()
        slope = (changed - result.metrics["ECE"]) / small
        expected = result.metrics["ECE"] + slope
        assert found.contributions()[clip] == pytest.approx(expected, abs=1e-4)


def test_tables_know_direction_and_unit():
    def better(*names):
        return [named(name).better for name in names]

    errors = [f"calibration/{name}" for name in ("ECE", "ECE-scaled", "AUSE", "MSE")]
    assert better(*errors, "train/loss", "J-Decay", "EPE (px)") == ["less"] * 7
    assert better("log-likelihood-scaled", "correlation", "J&F-Mean") == ["more"] * 3
    neither = ["sharpness-scaled", "z2", "temperature", "in-window", "train/sigma"]
    assert better(*neither, "train/gap_target_2", "of nobody") == ["neither"] * 7
    assert named("calibration/log-likelihood-scaled").text(-1.41633) == "-1.416"
    assert named("sprites/J&F-Mean").text(0.5) == "50.0"
    assert named("kitti_flow/within-8-px").text(0.5) == "50.0"
    assert named("EPE (px)").text(0.5) == "0.50"
    assert named("calibration/ECE-scaled").head == "ECE-scaled"
    names = ["sprites/J&F-Mean", "calibration/ECE", "calibration/ECE-scaled", "train/loss"]
    metrics = [named(name) for name in names]
    assert [find_metric(name, metrics) for name in ("jf", "ece", "ECE-scaled")] == metrics[:3]
    assert units_of(metrics[:3]) == "in percent, but for ECE, ECE-scaled"
    assert units_of(metrics[:1]) == "in percent"
    assert units_of(metrics[1:3]) == "as measured"
    assert directions_of(metrics[:3]) == ["less is better in ECE, ECE-scaled"]


def test_curves_are_means_over_clips_and_gaps(result):
    curves = Curves.of(result.per_object)
    assert curves.below == pytest.approx(np.mean([r["below"] for r in result.per_object], axis=0))
    assert np.abs(curves.below - LEVELS).mean() == pytest.approx(result.metrics["ECE"])
    assert curves.gaps.tolist() == [2, 9]
    assert curves.z2.mean() == pytest.approx(result.metrics["z2-scaled"], abs=1e-5)
    assert Curves.of([{"clip": "a", "J-Mean": 0.5}]) is None


def test_the_script_draws_what_is_stored(result, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result.as_dict()))
    named = calibration_curves.read(f"normal={folder / 'result.json'}")
    assert named[0] == "normal"
    assert calibration_curves.read(str(folder / "result.json"))[0] == "mine"
    out = tmp_path / "curves.png"
    monkeypatch.setattr(sys, "argv", ["x", str(folder / "result.json"), "--out", str(out)])
    assert calibration_curves.main() == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    (folder / "result.json").write_text(json.dumps({**result.as_dict(), "per_object": []}))
    assert calibration_curves.main() == 2
    assert "siammae.evaluate checkpoint=" in capsys.readouterr().err
    with pytest.raises(DataError, match="no run and no result"):
        calibration_curves.read(str(tmp_path / "none.json"))


def test_a_run_s_folder_is_drawn_from_its_summary(result, make_run, tmp_path):
    record = make_run("aaa", 0.4, {"uncertainty": "laplace", "seed": "0"})
    with pytest.raises(DataError, match="was not measured"):
        calibration_curves.read(str(record.folder))
    record.write_summary({**record.summary(), "benchmark": result.as_dict()})
    assert calibration_curves.read(str(record.folder))[0] == "aaa uncertainty=laplace seed=0"


def test_untrained_encoders_of_several_heads_count_once(make_run, tmp_path):
    """They track alike, whatever their heads know of their errors."""
    for number, (head_name, seed) in enumerate(
        (name, seed) for name in ("none", "laplace") for seed in (0, 1)
    ):
        setting = {"uncertainty": head_name, "seed": str(seed)}
        record = make_run(f"r{number}", 0.4, setting, seed=seed)
        figures = {"sprites/J&F-Mean": 0.2 + 0.1 * seed, "calibration/ECE": 0.01 * number}
        record.write_summary(
            {
                "benchmark": {"name": "both", "metrics": figures},
                "metrics": {f"both/{key}": value for key, value in figures.items()},
                "controls": {"untrained_encoder": {"metrics": figures}},
                "objective": {"benchmark": "both", "metric": "sprites/J&F-Mean", "value": 0.3},
            }
        )
    make_tables.make_tables(tmp_path / "runs", tmp_path / "out", tmp_path / "none")
    text = (tmp_path / "out" / "uncertainty.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| untrained encoder")]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[2].startswith("25.0 ± 7.1")  # of the two seeds
    assert "0.015" in cells  # of all four models
    assert cells[-2] == "2"
