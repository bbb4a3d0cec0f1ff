"""The command with any encoder, through real processes on a small DAVIS."""

import csv
import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from preloaded import run_command

from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.encoders.published import FileEncoder
from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.paths import ROOT

spec = importlib.util.spec_from_file_location("layouts", Path(__file__).parent / "layouts.py")
layouts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layouts)


@pytest.fixture
def evaluate(tmp_path, davis2017):
    """evaluate(*overrides): the command on two short sequences."""

    def start(*overrides, script=None):
        begin = ["-m", "siammae.evaluate"] if script is None else ["-c", script]
        command = [sys.executable, *begin, "device=cpu", "benchmark=davis2017"]
        command += [f"benchmark.root={davis2017}", "benchmark.workers=0", *overrides]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return run_command(command, cwd=tmp_path, env=env, timeout=100, fresh=script == LIGHT)

    return start


@pytest.fixture
def mae(tmp_path):
    path = tmp_path / "mae.pth"
    torch.save(layouts.mae(layouts.plain_vit().state_dict()), path)
    return path


LIGHT = """
import sys
from siammae.evaluate import main
code = main()
assert "torch" not in sys.modules and "timm" not in sys.modules
sys.exit(code)
"""


def test_a_published_checkpoint_is_measured_once_and_makes_a_table(
    evaluate, mae, davis2017, tmp_path
):
    chosen = ["features=file", f"path={mae}", "out=out"]
    first = evaluate(*chosen)
    assert first.returncode == 0, first.stderr
    assert f"{mae} (mae) on davis2017" in first.stdout.replace("\n", "")
    assert "copy first mask" in first.stdout
    assert "2 sequences, not the official 30: not comparable" in first.stdout
    written = json.loads((tmp_path / "out/result.json").read_text())
    protocol = Propagation(preset="paper")
    features = EncoderFeatures(FileEncoder(str(mae)).load(), torch.device("cpu"))
    expected = Davis(str(davis2017), protocol).evaluate(features)
    assert written["metrics"] == pytest.approx(expected.metrics, abs=1e-6)
    rows = list(csv.DictReader((tmp_path / "out/per_object.csv").open()))
    assert [row["sequence"] for row in rows] == ["walk", "walk", "run", "run"]

    kept = sorted((tmp_path / "runs/.evaluations").glob("*.json"))
    assert len(kept) == 2
    before = [path.stat().st_mtime_ns for path in kept]
    moved = mae.with_name("renamed.pth")
    shutil.move(mae, moved)
    again = evaluate("features=file", f"path={moved}", script=LIGHT)
    assert again.returncode == 0, again.stderr
    assert "measured before" in again.stdout
    assert before == [path.stat().st_mtime_ns for path in kept]
    masks = evaluate("features=file", f"path={moved}", "save_masks=masks")
    assert "measured before" not in masks.stdout
    assert len(list((tmp_path / "masks").glob("*/*.png"))) == 10
    assert before != [path.stat().st_mtime_ns for path in kept]

    other = evaluate("features=file", f"path={moved}", "layer=0")
    assert "measured before" not in other.stdout
    command = [sys.executable, str(ROOT / "analysis/make_tables.py")]
    done = run_command(command, cwd=tmp_path, timeout=100)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "tables/evaluation-davis2017.md").read_text()
    assert table.count("(mae, layer 0)") == 1
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert lines[-1].startswith("| copy first mask |")
    assert f"{100 * expected.metrics['J&F-Mean']:.1f}" in table
    assert "protocol paper" in table
    assert "2 sequences, not the official 30: not comparable" in table


def test_a_failed_video_is_named_and_the_exit_code_is_1(evaluate, mae, davis2017, tmp_path):
    (davis2017 / "JPEGImages/480p/run/00002.jpg").write_text("no image")
    done = evaluate("features=file", f"path={mae}")
    assert done.returncode == 1
    assert "error: figures without 1 of 2 sequences that failed: run" in done.stderr
    assert "all objects" in done.stdout
    assert "00002.jpg cannot be read as an image" in done.stdout.replace("\n", " ")
    kept = [json.loads(p.read_text()) for p in (tmp_path / "runs/.evaluations").glob("*.json")]
    (entry,) = kept  # without the control: it would be of other videos
    assert list(entry["result"]["failed"]) == ["run"]
    again = evaluate("features=file", f"path={mae}")
    assert "measured before" in again.stdout
    assert again.returncode == 1


PATCH14 = ["features=timm", "model=eva02_tiny_patch14_224", "pretrained=false", "protocol=dino"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "checkpoint=PATH is missing"),
        (["model=vit_tiny_patch16_224"], "features=siammae does not use it, but checkpoint"),
        (["features=timm", "path=x", "model=y"], "path=x: features=timm does not use it"),
        (["features=file", "path=gone.pth"], "gone.pth: no such file"),
        (["features=file", "path=MAE", "format=rsp"], "format=rsp is wrong for it"),
        (["features=file", "path=MAE", "precision=fp8"], "precision=fp8: must be auto, fp32"),
        (["features=fil"], "features=fil: no such option (did you mean 'file'?)"),
        (
            PATCH14,
            "protocol dino: multiple 64 is not a multiple of the patch of 14",
        ),
    ],
)
def test_wrong_settings_get_one_line(evaluate, mae, overrides, words):
    done = evaluate(*(text.replace("MAE", str(mae)) for text in overrides))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert words in told


@pytest.mark.parametrize(
    ("overrides", "told"),
    {
        ("device=foo",): "device=foo: must be auto, cpu, mps, cuda or cuda:N",
        ("progress=foo",): "progress=foo: must be auto, rich, plain or none",
        ("out=made",): "out=made cannot be written: made/result.json is a folder",
        ("save_masks=file/x",): "save_masks=file/x cannot be written: Not a directory",
        ("overlay=file",): "overlay=file cannot be written: File exists",
        ("results_dir=file/x",): "results_dir=file/x cannot be written: Not a directory",
    }.items(),
)
def test_what_cannot_be_used_is_told_before_any_work(tmp_path, monkeypatch, overrides, told):
    from hydra import compose, initialize_config_dir

    from siammae import evaluate as command
    from siammae.config.check import read
    from siammae.config.commands import EvaluateConfig
    from siammae.system.errors import ConfigError
    from siammae.system.paths import CONFIGS

    (tmp_path / "made/result.json").mkdir(parents=True)
    (tmp_path / "file").touch()
    with initialize_config_dir(str(CONFIGS)):
        config = compose("evaluate", ["results_dir=kept", *overrides])
    monkeypatch.chdir(tmp_path)

    def begin():
        settings = read(config, EvaluateConfig)
        command.check_writable(settings, "out", "save_masks", "overlay", "results_dir")

    with pytest.raises(ConfigError, match=re.escape(told)):
        begin()
