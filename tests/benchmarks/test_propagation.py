import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.benchmarks import propagation as benchmark_propagation
from analysis.benchmarks.dino_baseline import label_frame, window_mask
from siammae.evaluation.propagation.propagate import propagate
from siammae.evaluation.propagation.protocol import Propagation

ROOT = Path(__file__).resolve().parents[2]
ANALYSIS = ROOT / "analysis"


def benchmark(*options):
    command = [sys.executable, str(ANALYSIS / "benchmark.py"), "propagation", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_command_prints_and_writes_ratios(tmp_path, monkeypatch, capsys):
    """Of a grid that stands for the large ones."""
    monkeypatch.setattr(benchmark_propagation, "GRIDS", {"tiny": (6, 10), "other": (60, 110)})
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    file, parser = tmp_path / "figures.json", argparse.ArgumentParser()
    benchmark_propagation.add_arguments(parser)
    options = ["--grid", "6x10", "--rounds", "2", "--frames", "3", "--json", str(file)]
    precision = torch.get_float32_matmul_precision()
    try:
        assert benchmark_propagation.run(parser.parse_args(options)) == 0
    finally:
        torch.set_float32_matmul_precision(precision)
    told, figures = capsys.readouterr().out, json.loads(file.read_text())
    assert "min / median / max" in told
    assert "SMOKE" not in told
    assert figures["machine"]["rounds"] == 2
    assert [row["product"] for row in figures["rows"]] == ["fp32", "oneDNN"]
    for row in figures["rows"]:
        for kind in ("wall", "cpu"):
            low, middle, high = row[f"{kind}_ratio"]
            assert 0 < low <= middle <= high
            assert f"{low:.2f}x / {middle:.2f}x / {high:.2f}x" in told
        assert row["largest_difference"] <= 1e-5
        assert row["argmax_agrees"] == 1
        assert row["ours_mask_s"] > 0
        assert row["rival_mask_s"] > 0
        assert row["ours_mib"] >= 0
        assert row["rival_mib"] >= 0


def test_a_quick_run_says_that_it_is_one_and_has_no_ratios(tmp_path):
    file = tmp_path / "figures.json"
    done = benchmark("--quick", "--rounds", "2", "--frames", "3", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "SMOKE RUN, says nothing about speed" in done.stdout
    assert not re.search(r"faster|memory|MiB|\dx", done.stdout + done.stderr)
    figures = json.loads(file.read_text())
    assert figures["machine"]["smoke_run"] is True
    for row in figures["rows"]:
        assert not [key for key in row if "ratio" in key or "mib" in key]
        assert row["largest_difference"] <= 1e-5
        assert row["argmax_agrees"] == 1


@pytest.mark.parametrize("option", ["threads", "rounds", "frames"])
def test_counts_must_be_positive(option, capsys):
    parser = argparse.ArgumentParser()
    benchmark_propagation.add_arguments(parser)
    arguments = parser.parse_args(["--quick", f"--{option}", "0"])
    assert benchmark_propagation.run(arguments) == 2
    assert "must be at least 1" in capsys.readouterr().err


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 30),
    frames=st.integers(2, 5),
    queue=st.integers(1, 3),
    radius=st.integers(1, 14),
    ties=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_the_baseline_equals_ours(rows, columns, frames, queue, radius, ties, seed):
    """Also where ties vote, and where fewer patches than k lie in the window."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(frames, rows * columns, 6, generator=generator)
    if ties:
        features = torch.eye(6)[features.argmax(dim=-1)]
    first = torch.rand(rows * columns, 3, generator=generator)
    protocol = Propagation(
        5, queue, radius, 0.1, "square", window_first=True, ties="keep", labels="hard"
    )
    ours = list(propagate(protocol, features, (rows, columns), first))
    mask = window_mask((rows, columns), radius)
    for t in range(1, frames):
        context = [0, *range(max(1, t - queue), t)]
        sources, labels = [features[i].T for i in context], [ours[i].T for i in context]
        expected = label_frame(features[t], sources, labels, mask, 5).T
        torch.testing.assert_close(ours[t], expected, atol=1e-5, rtol=0)


def test_the_window_of_the_baseline():
    mask = window_mask((3, 4), 1).view(3, 4, 3, 4)
    assert mask[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert mask[1, 2].tolist() == [[0, 1, 1, 1]] * 3
