"""The built-in benchmark, and what importing benchmarks costs."""

import subprocess
import sys

import pytest
from pixel_features import Pixels

from siammae.data.built_in.sprites import Sprites
from siammae.evaluation.benchmarks.built_in import SpritesBenchmark
from siammae.evaluation.propagation.protocol import Propagation


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    root = str(tmp_path_factory.mktemp("sprites"))
    source = Sprites(root, clips=1, frames=4, sequences=2, sequence_frames=6)
    return SpritesBenchmark(source, Propagation(5, 4, 5, 0.1))


def test_it_writes_its_own_data_and_measures_it(benchmark):
    assert not benchmark.source.folder.exists()
    benchmark.prepare()
    assert benchmark.fingerprint() == benchmark.source.fingerprint()
    result = benchmark.evaluate(Pixels())
    assert result.name == "sprites"
    assert {row["sequence"] for row in result.per_object} == {"sprites-00", "sprites-01"}
    assert 0 < result.metrics["J-Mean"] <= 1
    assert result.settings["sequences"] == 2
    assert result.settings["official_sequences"] is None  # nothing to compare with


def test_a_measurement_repeats_exactly(benchmark):
    benchmark.prepare()
    assert benchmark.evaluate(Pixels()).as_dict() == benchmark.evaluate(Pixels()).as_dict()


@pytest.mark.parametrize(
    "module",
    [
        "siammae.score",
        "siammae.evaluation.benchmarks.davis",
        "siammae.evaluation.benchmarks.built_in",
        "siammae.evaluation.benchmarks.linear_parts",
        "siammae.look",
        "siammae.evaluation.benchmarks.vspw",
        "siammae.evaluation.benchmarks.uvo",
        "siammae.evaluation.benchmarks.kitti_step",
        "siammae.evaluation.benchmarks.kitti_mots",
        "siammae.evaluation.benchmarks.kitti_flow",
    ],
)
def test_imports_stay_light(module):
    """A finished run is recognised, and masks are scored, without torch."""
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "timm", "torchvision", "decord", "av", "cv2", "pandas", "wandb", "scipy"}
    assert not heavy & set(run.stdout.split())
