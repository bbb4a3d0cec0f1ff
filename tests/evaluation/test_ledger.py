"""One encoder under every protocol, and what makes the differences."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from preloaded import run_command

from siammae.config.check import read, read_settings
from siammae.config.commands import EvaluateConfig
from siammae.evaluation.measuring.ledger import by_kind, make_ledger, with_changes
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS, ROOT

spec = importlib.util.spec_from_file_location("layouts", Path(__file__).parent / "layouts.py")
layouts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layouts)

register_with_hydra()
SMALL = ("benchmark.propagation.input_size=[48,64]", "benchmark.propagation.multiple=null")


@pytest.fixture
def evaluate(tmp_path, davis2017):
    """evaluate(*overrides): the command with an encoder on two short sequences."""
    torch.save(layouts.mae(layouts.plain_vit().state_dict()), tmp_path / "mae.pth")

    def start(*overrides):
        command = [sys.executable, "-m", "siammae.evaluate", "device=cpu", "benchmark=davis2017"]
        command += ["features=file", "path=mae.pth", "benchmark.workers=0"]
        command += [f"benchmark.root={davis2017}", *overrides]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return run_command(command, cwd=tmp_path, env=env, timeout=200)

    return start


def objective(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]["J&F-Mean"]


def test_its_figures_are_those_of_the_command_under_each_protocol_and_setting(evaluate, tmp_path):
    done = evaluate(*SMALL, "protocol=all", "out=ledger")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "ledger/ledger.json").read_text())
    assert list(told["protocols"]) == ["paper", "cropmae", "crw", "dino"]
    alone = {}
    for name in ("paper", "dino"):
        evaluate(*SMALL, f"protocol={name}", f"out={name}", "results_dir=elsewhere")
        alone[name] = objective(tmp_path / name)
        assert told["protocols"][name]["J&F-Mean"] == alone[name]
    (dino,) = (each for each in told["differences"] if each["protocol"] == "dino")
    assert dino["total"] == pytest.approx(alone["dino"] - alone["paper"])
    shares = {share["kind"]: share for share in dino["shares"]}
    assert shares["temperature"]["keys"] == ["benchmark.propagation.temperature=0.1"]
    sizes = " ".join(shares["sizes"]["keys"])
    assert "resize=plain" in sizes
    assert "input_size" not in sizes  # which the command line fixes for all
    evaluate(*SMALL, *shares["labels"]["keys"], "out=labels", "results_dir=elsewhere")
    assert objective(tmp_path / "labels") - alone["paper"] == shares["labels"]["difference"]
    total = sum(share["difference"] for share in dino["shares"]) + dino["rest"]
    assert total == pytest.approx(dino["total"])
    page = (tmp_path / "ledger/ledger.md").read_text()
    assert "| metric | paper | cropmae | crw | dino |" in page
    assert f"{100 * dino['total']:+.1f}" in page
    # What was measured under a protocol is kept as ever; the changes are beside it.
    assert len(list((tmp_path / "runs/.evaluations").glob("*.json"))) == 2 * 4
    again = evaluate(*SMALL, "protocol=all", "out=again")
    assert again.stdout.count("measured before") > 10
    assert (tmp_path / "again/ledger.json").read_text() == (
        tmp_path / "ledger/ledger.json"
    ).read_text()


def test_masks_of_four_protocols_are_not_written_over_each_other(evaluate):
    done = evaluate("protocol=all", "save_masks=x")
    assert done.returncode == 2
    assert "save_masks: protocol=all has no masks of its own" in done.stderr


def test_a_benchmark_that_follows_none_is_refused():
    with initialize_config_dir(str(CONFIGS)):
        config = compose("evaluate", ["protocol=all", "benchmark=sprites"])
    with pytest.raises(ConfigError, match="protocol=all changes nothing: the chosen benchmark"):
        read(config, EvaluateConfig)


def test_a_training_takes_one_protocol():
    with initialize_config_dir(str(CONFIGS)):
        config = compose("train", ["protocol=all", "benchmark=davis2017"])
    with pytest.raises(ConfigError, match="protocol=all: a training is measured under one"):
        read_settings(config)


def test_shares_of_settings_that_do_not_act_on_each_other_add_up():
    def measure(config):
        inner = config["propagation"]
        value = 0.5 + inner["top_k"] / 100 - inner["temperature"] / 10 + config["workers"]
        return BenchmarkResult("toy", "J", {"J": value})

    paper = {"propagation": {"top_k": 7, "temperature": 0.7, "preset": "paper"}, "workers": 0}
    other = {"propagation": {"top_k": 5, "temperature": 0.1, "preset": "other"}, "workers": 0}
    (account,) = make_ledger({"paper": paper, "other": other}, measure, measure).accounts
    assert {share.kind: share.difference for share in account.shares} == pytest.approx(
        {"neighbours": -0.02, "temperature": 0.06}
    )
    assert account.rest == pytest.approx(0)
    assert with_changes(paper, {"propagation.top_k": 5})["propagation"]["top_k"] == 5
    assert paper["propagation"]["top_k"] == 7
    assert by_kind(paper, {**paper, "cells": 3}) == {"other": {"cells": 3}}
