"""The benchmark of the step, at the smallest sizes, and the parts that it measures with."""

import argparse
import json
import math

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from analysis.benchmarks import roofline as benchmark_roofline
from analysis.benchmarks import step as benchmark_step
from analysis.benchmarks.profile_step import profile_step
from analysis.benchmarks.roofline import Counted, Counting, Roofline
from analysis.benchmarks.step_baseline import PublishedLoop, PublishedModel
from siammae.config.schema import Encoder, Transformer

TINY = [f"{part}.{key}" for part in ("encoder", "decoder") for key in ("width=16", "heads=2")]
TINY += ["encoder.depth=1", "decoder.depth=1", "batch_size=4", "data.repeated_sampling=2"]
TINY += ["data.clips=1", "data.frames=12", "frame_gap=4"]
CPU = torch.device("cpu")


@pytest.fixture
def measured(tmp_path, capsys, monkeypatch):
    """measured(option, ...) is what the command returns, prints and writes."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(benchmark_roofline, "SIDES", {"cpu": 64})
    monkeypatch.setattr(benchmark_roofline, "COPIED", {"cpu": 1 << 16})

    def run(*base, rounds="3", against=()):
        parser, file = argparse.ArgumentParser(), tmp_path / "figures.json"
        benchmark_step.add_arguments(parser)
        options = ["--base", *TINY, *base, "--rounds", rounds, "--device", "cpu"]
        options += ["--against", *against] if against else []
        code = benchmark_step.run(parser.parse_args([*options, "--json", str(file)]))
        told = capsys.readouterr()
        return code, told, json.loads(file.read_text()) if file.exists() else None

    yield run
    GlobalHydra.instance().clear()


def test_figures_of_both_steps_are_printed_and_written(measured):
    code, told, figures = measured("precision=bf16")
    assert code == 0, told.err
    ours, published, half = figures["rows"]
    assert [row["step"] for row in figures["rows"]] == [
        "siammae", "published loop", "published loop, in bf16",
    ]  # fmt: skip
    assert [row["precision"] for row in figures["rows"]] == ["bf16", "fp32", "bf16"]
    assert ours["ratio"] == [1, 1, 1]
    for row in (published, half):
        low, middle, high = row["ratio"]
        assert 0 < low <= middle <= high
        assert f"{low:.2f}x / {middle:.2f}x / {high:.2f}x" in told.out
        # It predicts the visible patches, too; all else is the same model.
        assert 1 < row["gflops_per_pair"] / ours["gflops_per_pair"] < 1.2
    for row in figures["rows"]:
        assert row["kernels"] > 100
        assert row["peak_bytes"] > 0
        assert row["mfu"] > 0
        assert row["bound"] > 0
    assert figures["roofline"]["ridge"].keys() == {"fp32", "bf16"}
    assert "TFLOP/s" in told.out
    assert figures["machine"]["batch"] == 4


def test_the_trainer_is_compared_with_itself_under_other_settings(measured):
    _, _, figures = measured("precision=fp32", against=["decoder.depth=4"])
    ours, deeper, published = figures["rows"]
    assert (deeper["step"], published["step"]) == ("decoder.depth=4", "published loop")
    assert deeper["gflops_per_pair"] > ours["gflops_per_pair"]
    assert deeper["kernels"] > ours["kernels"]
    code, told, _ = measured("precision=fp32", against=["batch_size=8"])
    assert code == 2
    assert "another batch_size" in told.err


def test_what_has_no_published_loop_is_told_in_a_line(measured):
    code, told, figures = measured("method=mae", "frame_gap=null")
    assert (code, figures) == (2, None)
    assert "error:" in told.err
    assert measured(rounds="0")[0] == 2


def published(ratio=0.5):
    size = {"width": 16, "depth": 1, "heads": 2}
    encoder = Encoder(_target_="siammae.model.Encoder", patch_size=4, **size)
    decoder = Transformer(_target_="siammae.model.CrossSelfDecoder", **size)
    torch.manual_seed(0)
    return PublishedModel(16, encoder, decoder, ratio)


def test_the_baseline_counts_hidden_patches_alone_and_learns():
    model = published()
    past, future = torch.randn(2, 4, 3, 16, 16)
    torch.nn.init.zeros_(model.pixels.weight)
    torch.nn.init.zeros_(model.pixels.bias)
    # Of P values with unbiased variance 1 the mean square is (P - 1) / P in every patch.
    assert model(past, future).item() == pytest.approx(47 / 48, rel=1e-4)
    loop = PublishedLoop(published().train(), CPU, half=False)
    losses = [loop.step(past, future) for _ in range(60)]
    assert sum(losses[-10:]) < sum(losses[:10])


def test_the_baseline_does_not_see_what_it_hides():
    model = published(ratio=0.75).eval()
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    model(*torch.randn(2, 4, 3, 16, 16))
    assert seen == [1 + 4, 1 + 16]


def test_operations_are_counted_by_their_shapes():
    a, b = torch.randn(3, 5, requires_grad=True), torch.randn(5, 7)
    with Counting() as counting:
        (a @ b).sum().backward()
    assert counting.counted.flops == 2 * 3 * 5 * 7 * 2  # forward, and the gradient of a
    (flops, moved), *_ = counting.counted.cost
    assert (flops, moved) == (2 * 3 * 5 * 7, 4 * (3 * 5 + 5 * 7 + 3 * 7))
    with Counting() as counting:
        a.detach().view(5, 3).transpose(0, 1)
    assert counting.counted.calls == 0


def test_each_operation_is_bound_by_what_is_slower():
    counted = Counted(cost=[(100, 1), (0, 10)])
    roofline = Roofline({"fp32": 50.0}, copy=2.0)
    assert counted.bound(roofline, "fp32") == 2 + 5
    assert roofline.ridge("fp32") == 25


def test_a_step_s_calls_and_memory_are_profiled():
    a = torch.randn(256, 256)
    found = profile_step(lambda: (a @ a).relu_().view(-1), CPU)
    assert found.kernels == 2
    assert math.isclose(found.peak, 4 * 256 * 256, rel_tol=0.01)
