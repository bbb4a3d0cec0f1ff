"""The controls of a table and how long they are kept."""

import pytest
import torch
from omegaconf import OmegaConf

from siammae.evaluation.benchmark import Benchmark
from siammae.evaluation.result import BenchmarkResult
from siammae.model.encoder import Encoder
from siammae.training import measure

CONFIG = OmegaConf.create({"benchmark": {"_target_": "x"}, "encoder": {"width": 16}, "seed": 0})


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
            lambda: Encoder(image_size=16, patch_size=8, width=16, depth=1, heads=2),
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
    assert figures(controls(OmegaConf.merge(CONFIG, {"seed": 1}))) == [1, 3]
    assert figures(controls(fingerprint="2")) == [4, 5]
