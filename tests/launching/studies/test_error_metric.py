"""A benchmark of one's own whose metric is an error in metres, through all that judges by it."""

import json
import sys
from pathlib import Path

import pytest
import torch

from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.metric import Metric
from siammae.report import make_tables
from siammae.system.paths import CONFIGS
from siammae.train import job

ERRORS = {"CrossSelfDecoder": 2.0, "CrossDecoder": 1.0, "JointDecoder": 3.0}  # metres
VIDEOS = [0.01, -0.02, 0.03, 0.0, -0.01, -0.01]  # the share that each adds, 0 on average
RUN = [
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=2",
    "decoder.width=32",
    "decoder.depth=1",
    "decoder.heads=2",
    "image_size=32",
    "mask_ratio=0.75",
    "batch_size=4",
    "data.clips=2",
    "data.frames=8",
    "frame_gap=4",
    "seed=0",
    "schedule.steps=4",
    "schedule.warmup_steps=0",
    "schedule.evaluations=2",
    "tracking=none",
    "pictures=0",
    "device=cpu",
    "precision=fp32",
    "progress=none",
]


class Depths(Benchmark):
    """Depth that is wrong by as many metres as the decoder's class says, growing as it trains."""

    name = "depths"
    metrics = (Metric("RMSE", "less", "m"),)
    objective = "RMSE"
    units = ("video",)

    def __init__(self):
        self.measured = 0.0

    def videos(self):
        return [f"v{number}" for number in range(len(VIDEOS))]

    def label_files(self, video):
        return []

    def evaluate(self, features, on_video=None):
        self.measured += 1.0
        return super().evaluate(features, on_video)

    def predict(self, video, features):
        assert features(torch.zeros(1, 3, 32, 32)).isfinite().all()
        return ERRORS[type(features.model.decoder).__name__] + 0.25 * (self.measured - 1)

    def control(self, video):
        return 9.0

    def score(self, video, predicted):
        return [{"video": video, "RMSE": predicted * (1 + VIDEOS[int(video[1:])])}]

    def total(self, rows):
        return {"RMSE": sum(row["RMSE"] for row in rows) / len(rows)}

    def settings(self):
        return {}


@pytest.fixture
def study(studies, monkeypatch):
    """The study of three decoders on `Depths`, and the folder of its runs."""
    monkeypatch.setitem(sys.modules, "own_benchmark", sys.modules[__name__])
    monkeypatch.setattr(Depths, "__module__", "own_benchmark")
    studies.configs, studies.name = CONFIGS, "train"
    drawn = ["decoder=choice(cross_self,cross,joint)", "hydra/sweeper/sampler=grid"]
    Path("own").mkdir()
    Path("own/benchmark").mkdir()
    Path("own/benchmark/depths.yaml").write_text("_target_: own_benchmark.Depths\n")
    found = ["benchmark=depths", "trusted_packages=[own_benchmark]"]
    found += [f"hydra.searchpath=[file://{Path('own').resolve()}]"]
    studies(*found, *RUN, *drawn, "hydra.sweeper.n_trials=3", job=job.__wrapped__)
    return studies.load(), Path("runs").resolve()


def test_less_of_an_error_is_better_everywhere(study, tmp_path):
    found, runs = study
    assert found.best_trial.params == {"decoder": "cross"}
    assert found.best_value == pytest.approx(-1.25)  # the last of two evaluations
    assert found.best_trial.intermediate_values == pytest.approx({1: -1.0, 2: -1.25})
    assert found.best_trial.user_attrs["quality"] == "-RMSE on depths"

    # The record: the objective as a quality, the figure in metres, the declaration beside it, and
    # the checkpoint of the smaller error as the best.
    summary = json.loads((runs / found.best_trial.user_attrs["run"] / "summary.json").read_text())
    decides = {"benchmark": "depths", "metric": "-RMSE", "value": pytest.approx(-1.25)}
    assert summary["objective"] == decides
    assert summary["metrics"]["depths/RMSE"] == pytest.approx(1.25)
    (declared,) = summary["benchmark"]["declared"]
    assert (declared["name"], declared["better"], declared["unit"]) == ("RMSE", "less", "m")
    assert summary["best"] == {"file": "step-00000002.pt", "value": pytest.approx(-1.0)}

    # The table: metres as they are, the smallest in bold, differences paired over videos.
    make_tables.make_tables(runs, tmp_path / "tables", tmp_path / "none")
    text = (tmp_path / "tables" / "single-runs.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert rows[0][:3] == ["| setting", "RMSE (m)", "Δ RMSE (m)"]
    cells = {row[0].strip("| *"): row[1:3] for row in rows[2:]}
    assert cells["decoder=cross"] == ["**1.25**", "-1.00* [-1.02, -0.98]"]
    assert cells["decoder=joint"] == ["3.25", "+1.00* [+0.98, +1.02]"]
    assert cells["decoder=cross_self (default)"] == ["2.25", ""]
    assert cells["copy first mask"][0] == "9.00"
    assert "benchmark figures as measured; less is better in RMSE (m)" in text
    assert "paired over videos" in text

    # The page and what is behind the figure.
    page = (tmp_path / "tables" / "index.html").read_text()
    assert "1.25" in page
    assert "125.0" not in page
    behind = json.loads((tmp_path / "tables" / "single-runs.json").read_text())
    cell = behind["cells"]["decoder=cross"]["RMSE"]
    assert (cell["unit"], cell["better"]) == ("m", "less")
    assert cell["mean"] == pytest.approx(1.25)
    assert cell["difference"]["pairs"].keys() == {f"v{number}" for number in range(6)}


def test_an_objective_without_direction_is_refused_before_any_work(monkeypatch):
    benchmark = Depths()
    monkeypatch.setattr(benchmark, "metrics", (Metric("RMSE", "neither", "m"),))
    with pytest.raises(TypeError, match="must declare the objective RMSE, and that more or less"):
        benchmark.copy_first_mask()


def test_a_metric_that_is_not_declared_is_a_plain_number(monkeypatch, capsys):
    benchmark = Depths()
    monkeypatch.setattr(benchmark, "total", lambda rows: {"RMSE": 2.0, "AbsRel": 0.5})
    result = benchmark.copy_first_mask()
    assert "does not declare AbsRel" in capsys.readouterr().err
    assert (result.metric("AbsRel").better, result.metric("AbsRel").text(0.5)) == (
        "neither",
        "0.500",
    )
    assert result.quality == -2.0
