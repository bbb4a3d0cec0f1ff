"""The controls of a table and how long they are kept."""

from pathlib import Path

import pytest
import torch

from siammae.assembly.build import build_model
from siammae.config.check import read_run
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.training import measure

CONFIG = {
    "benchmark": {"_target_": "x"},
    "encoder": {
        "_target_": "siammae.model.Encoder",
        **{"image_size": 16, "patch_size": 8, "width": 16, "depth": 1, "heads": 2},
    },
    "encoding": {"_target_": "siammae.model.SiameseEncoding"},
    "decoder": {
        "_target_": "siammae.model.CrossSelfDecoder",
        **{"encoder_width": 16, "width": 16, "depth": 1, "heads": 2},
        **{"image_size": 16, "patch_size": 8},
    },
    "uncertainty": {"_target_": "siammae.model.PixelMean", "width": 16, "patch_size": 8},
    "masking": {"_target_": "siammae.model.AsymmetricRandom", "ratio": 0.5},
    "targets": {"_target_": "siammae.data.SingleTarget", "gap": 4},
    "mask_ratio": 0.5,
    "frame_gap": 4,
    "image_size": 16,
    "seed": 0,
}
SETTINGS = read_run(CONFIG, Path("run"), [])


class Counting(Benchmark):
    """Gives the number of times that it has been measured."""

    def __init__(self):
        self.measured = 0

    def copy_first_mask(self):
        return self._result()

    def evaluate(self, features, **options):
        return self._result()

    def _result(self):
        self.measured += 1
        return BenchmarkResult("counting", "n", {"n": float(self.measured)})


@pytest.fixture
def controls(tmp_path):
    benchmark = Counting()

    def make(config=CONFIG, fingerprint="1"):
        return measure.controls(
            benchmark,
            lambda: build_model(SETTINGS),
            torch.device("cpu"),
            tmp_path / ".controls",
            config,
            fingerprint,
        )

    return make


def figures(results):
    return [results[name]["metrics"]["n"] for name in ("copy_first_mask", "untrained_encoder")]


def test_controls_are_measured_once_for_the_same_code(controls, monkeypatch):
    assert figures(controls()) == [1, 2]
    assert figures(controls()) == [1, 2]
    monkeypatch.setattr(measure, "code_version", lambda: "other")
    assert figures(controls()) == [3, 4]


def test_controls_follow_what_they_depend_on(controls):
    assert figures(controls()) == [1, 2]
    assert figures(controls({**CONFIG, "seed": 1})) == [1, 3]
    assert figures(controls(fingerprint="2")) == [4, 5]


def test_the_decoder_counts_where_the_whole_model_is_measured(controls, monkeypatch):
    other = {**CONFIG, **{key: {**CONFIG[key], "width": 32} for key in ("decoder", "uncertainty")}}
    assert figures(controls()) == figures(controls(other)) == [1, 2]
    monkeypatch.setattr(Counting, "needs_model", True)
    assert figures(controls()) == [1, 3]
    assert figures(controls(other)) == [1, 4]


def test_what_is_measured_is_the_whole_model_in_evaluation_mode():
    model = build_model(SETTINGS)
    model.train()
    seen = []

    class Looking(Counting):
        def evaluate(self, features, **options):
            seen.append((features.model, features.encoder, features.model.training))
            return self._result()

    measure.measure(Looking(), model, torch.device("cpu"))
    assert seen == [(model, model.encoder, False)]
    assert all(part.training for part in model.modules())
