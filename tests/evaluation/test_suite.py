"""Several benchmarks in one go, on a tree that two of them read."""

import importlib.util
from pathlib import Path

import pytest
import torch

from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.suite import Suite
from siammae.evaluation.features import SharedFeatures
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.measuring.result import shortfall
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import ConfigError, DataError

spec = importlib.util.spec_from_file_location("davis", Path(__file__).parent / "conftest.py")
davis = importlib.util.module_from_spec(spec)
spec.loader.exec_module(davis)

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)


class Counted:
    """Mean colours of patches; counts its calls."""

    patch_size = 4
    device = torch.device("cpu")
    calls = 0

    def __call__(self, images):
        self.calls += 1
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


@pytest.fixture
def parts(davis2017):
    (davis2017 / "ImageSets/2016").mkdir()
    (davis2017 / "ImageSets/2016/val.txt").write_text("walk\nrun\n")
    return {
        "many": Davis(str(davis2017), PROTOCOL),
        "one": Davis(str(davis2017), PROTOCOL, year=2016),
    }


def test_each_part_is_measured_as_alone_with_one_pass_a_frame(parts):
    suite, features = Suite("both", parts, "many/J&F-Mean"), Counted()
    together = suite.evaluate(features)
    assert features.calls == 2 * 5  # sequences x frames, though two benchmarks look at them
    for name, part in parts.items():
        alone = part.evaluate(Counted())
        assert together.metrics[f"{name}/J-Mean"] == alone.metrics["J-Mean"]
        rows = [row for row in together.per_object if row["benchmark"] == name]
        assert [{**row, "benchmark": name} for row in alone.per_object] == rows
    assert together.value == together.metrics["many/J&F-Mean"]
    assert together.units == ("benchmark", "sequence", "object")
    assert suite.videos() == ["many/walk", "many/run", "one/walk", "one/run"]
    assert suite.frames("one/run") == parts["one"].frames("run")


def test_the_control_and_failures_carry_the_part_s_name(parts, davis2017):
    (davis2017 / "JPEGImages/480p/walk/00002.jpg").write_bytes(b"no image")
    suite = Suite("both", parts, "one/J-Mean")
    assert suite.copy_first_mask().metrics["one/J-Mean"] < 1
    assert set(suite.evaluate(Counted()).failed) == {"many/walk", "one/walk"}


def test_a_part_of_which_nothing_can_be_measured_costs_its_own_figures(parts, tmp_path):
    lost = davis.write_davis(tmp_path / "lost", ["swim", "sit"])
    for path in lost.rglob("00003.png"):
        path.write_bytes(b"no mask")
    three = {"lost": Davis(str(lost), PROTOCOL), **parts}
    result = Suite("three", three, "many/J-Mean").evaluate(Counted())
    assert set(result.failed) == {"lost/swim", "lost/sit"}
    assert result.metrics == Suite("both", parts, "many/J-Mean").evaluate(Counted()).metrics
    assert "without 2 of 6 videos that failed: lost/" in shortfall(result.as_dict())
    with pytest.raises(DataError, match=r"00003\.png cannot be read"):
        Suite("three", three, "lost/J-Mean").evaluate(Counted())


def test_all_that_is_missing_is_told_at_once(parts, tmp_path):
    parts |= {
        "gone": Davis(str(tmp_path / "a"), PROTOCOL),
        "too": Davis(str(tmp_path / "b"), PROTOCOL),
    }
    with pytest.raises(DataError, match=r"a/Annotations(.|\n)*b/Annotations"):
        Suite("all", parts, "many/J-Mean").prepare()


def test_masks_of_each_part_lie_in_a_folder_of_its_own(parts, tmp_path):
    suite = Suite("both", parts, "many/J-Mean")
    suite.outputs = Outputs(tmp_path / "kept")
    suite.evaluate(Counted())
    kept = tmp_path / "kept"
    folders = {path.relative_to(kept).parent.as_posix() for path in kept.rglob("00004.png")}
    assert {"many/walk", "many/run", "one/walk", "one/run"} == folders


@pytest.mark.parametrize(
    ("objective", "words"), [("J&F-Mean", "PART one of many, one"), ("none/J", "PART one of")]
)
def test_a_wrong_objective(parts, objective, words):
    with pytest.raises(ConfigError, match=words):
        Suite("both", parts, objective)


def test_an_unknown_metric_is_told_with_the_known_ones(parts):
    with pytest.raises(ConfigError, match="no metric that can decide; there are many/J&F-Mean"):
        Suite("both", parts, "many/mIoU")


def test_fingerprint_follows_every_part(parts, davis2017):
    suite = Suite("both", parts, "many/J-Mean")
    before = suite.fingerprint()
    (davis2017 / "ImageSets/2016/val.txt").write_text("walk\n")
    assert suite.fingerprint() != before


def test_what_does_not_fit_the_memory_is_forgotten_longest_first():
    features = Counted()
    images = [torch.full((1, 3, 8, 8), float(i)) for i in range(3)]  # 4 patches x 3 x 4 bytes each
    shared = SharedFeatures(features, 2 * 48)
    for i in (0, 1, 0, 2):  # 1 is the one used longest ago when 2 comes
        assert torch.equal(shared(images[i]), Counted()(images[i]))
    assert features.calls == 3
    shared(images[0])
    assert features.calls == 3
    shared(images[1])
    assert features.calls == 4
    shared(images[1].view(1, 3, 4, 16))  # the same bytes in another shape
    assert features.calls == 5
