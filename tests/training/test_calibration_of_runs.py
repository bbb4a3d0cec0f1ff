"""A run that is measured for calibration, and its whole model measured again afterwards."""

import json
import subprocess
import sys

import pytest

SMALL = [
    *("sprites.source.sequences=2", "sprites.source.sequence_frames=4"),
    *("calibration.source.clips=3", "calibration.source.frames=12", "calibration.pairs=2"),
]


@pytest.mark.slow
def test_a_run_and_its_checkpoint_have_the_same_figures(train, tmp_path, only_run):
    small = [f"benchmark.parts.{setting}" for setting in SMALL]
    root = str(train.data)
    small += [f"benchmark.parts.{part}.source.root={root}" for part in ("sprites", "calibration")]
    settings = ["benchmark=sprites_calibration", "frame_gap=[1,5]", "schedule.evaluations=2"]
    done = train(tmp_path, *settings, *small)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["objective"]["metric"] == "sprites/J&F-Mean"
    controls = summary["controls"]
    names = set(summary["benchmark"]["metrics"])
    assert {"sprites/J&F-Mean", "calibration/AUSE"} < names
    assert names == set(controls["copy_first_mask"]["metrics"])
    assert names == set(controls["untrained_encoder"]["metrics"])
    assert controls["copy_first_mask"]["metrics"]["calibration/MSE"] == pytest.approx(1, abs=0.01)

    def evaluate(checkpoint, *more):
        told = [setting.removeprefix("calibration.") for setting in SMALL[2:]]
        command = [
            sys.executable,
            "-m",
            "siammae.evaluate",
            f"checkpoint={checkpoint}",
            "device=cpu",
        ]
        command += ["benchmark=calibration", f"benchmark.source.root={root}", "out=out", *more]
        command += [f"benchmark.{setting}" for setting in told]
        found = subprocess.run(
            command, cwd=tmp_path, env=train.env(), capture_output=True, text=True, timeout=200
        )
        text = tmp_path / "out" / "result.json"
        return found, json.loads(text.read_text()) if text.is_file() else None

    refused, _ = evaluate(run / "encoder.safetensors")
    assert refused.returncode == 2
    assert "calibration measures a whole model, decoder and head" in refused.stderr
    found, result = evaluate(run)
    assert found.returncode == 0, found.stderr
    assert result["settings"]["gap"] == [1, 5]  # the run's own
    assert {f"calibration/{name}": value for name, value in result["metrics"].items()} == {
        name: pytest.approx(value, rel=1e-6)
        for name, value in summary["benchmark"]["metrics"].items()
        if name.startswith("calibration/")
    }
    earlier = sorted((run / "checkpoints").glob("step-*.pt"))[0]
    found, other = evaluate(earlier, "benchmark.gap=2")
    assert found.returncode == 0, found.stderr
    assert other["settings"]["gap"] == [2, 2]
    assert other["metrics"] != result["metrics"]
