"""The benchmark of the extensions, at the smallest sizes."""

import argparse
import json

import pytest
from hydra.core.global_hydra import GlobalHydra

from analysis.benchmarks import extensions as benchmark_extensions
from analysis.benchmarks.extensions import Case

TINY = [f"{part}.{key}" for part in ("encoder", "decoder") for key in ("width=16", "heads=2")]
TINY += ["encoder.depth=1", "decoder.depth=1", "batch_size=4", "data.repeated_sampling=2"]
TINY += ["data.clips=1", "data.frames=12", "frame_gap=4", "precision=fp32"]


@pytest.fixture
def measured(tmp_path, capsys, monkeypatch):
    """measured(case, ...) is what the command returns, prints and writes."""
    monkeypatch.setenv("COLUMNS", "170")

    def run(*cases, rounds="2"):
        parser, file = argparse.ArgumentParser(), tmp_path / "figures.json"
        benchmark_extensions.add_arguments(parser)
        options = ["--overrides", *cases, "--base", *TINY, "--rounds", rounds, "--device", "cpu"]
        code = benchmark_extensions.run(parser.parse_args([*options, "--json", str(file)]))
        told = capsys.readouterr()
        return code, told, json.loads(file.read_text()) if file.exists() else None

    yield run
    GlobalHydra.instance().clear()


def test_ratios_of_each_case_are_printed_and_written(measured):
    alone = "masking=uncertainty masking.estimate=predicted uncertainty=gaussian"
    code, told, figures = measured("masking=motion", f"{alone} / uncertainty=gaussian")
    assert code == 0
    assert figures["machine"]["rounds"] == 2
    motion, predicted = figures["rows"]
    assert (motion["case"], motion["against"]) == ("masking=motion", "default")
    assert (predicted["case"], predicted["against"]) == (alone, "uncertainty=gaussian")
    for row in figures["rows"]:
        low, middle, high = row["ratio"]
        assert 0 < low <= middle <= high
        assert f"{low:.2f}x / {middle:.2f}x / {high:.2f}x" in told.out
        assert f"{row['fastest_ratio']:.2f}x" in told.out
        assert row["frames"] == 1
        assert "ratio_to_single_steps" not in row
    # Motion multiplies no matrices; the estimate is a pass of the decoder, which takes no gradient.
    assert motion["gflops_ratio"] == 1
    assert 1 < predicted["gflops_ratio"] < 4 / 3


def test_what_takes_longer_is_told_to(measured):
    """A decoder of 8 layers instead of 1; and against itself nothing is gained."""
    _, _, figures = measured("decoder.depth=8", "decoder.depth=1", rounds="5")
    deeper, same = figures["rows"]
    assert deeper["ratio"][1] > 1.5
    assert deeper["gflops_ratio"] > 1.5
    assert same["gflops_ratio"] == 1
    assert same["ratio"][1] < deeper["ratio"][1]


def test_what_is_wrong_is_told_in_a_line(measured):
    code, told, figures = measured("encoding=joint masking=uncertainty")
    assert (code, figures) == (2, None)
    assert "error: masking=uncertainty reads the encoded past frame" in told.err
    assert measured("masking=motion", rounds="0")[0] == 2


def test_every_option_of_the_extensions_is_measured_by_default():
    """And all are parsed as what Hydra takes."""
    cases = [Case.parse(text) for text in benchmark_extensions.extensions()]
    named = {case.overrides[0] for case in cases}
    assert {"uncertainty=gaussian", "uncertainty=ensemble", "masking=motion"} <= named
    assert not named & {"uncertainty=none", "rotation=none", "targets=single"}
    against = {case.against for case in cases}
    assert against == {(), ("uncertainty=gaussian",)}
