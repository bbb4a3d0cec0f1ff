"""Options of SiamMAE's followers through the real entry point, killed and resumed."""

import json
import signal

import pytest
from tiny_runs import same_weights

from .conftest import KILLED_IN_A_STEP, START

KINDS = {
    "several past frames": ("method=multi_anchor", "targets.count=3"),
    "visible patches": ("method.visible_loss=0.5", "mask_ratio=0.5"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(train, tmp_path, only_run, kind):
    settings = (*KINDS[kind], "frame_gap=[1,3]")
    runs = []
    for name, script in (("whole", None), ("killed", START.format(patch=KILLED_IN_A_STEP))):
        folder = tmp_path / name
        folder.mkdir()
        done = train(folder, *settings, script=script)
        if script is not None:
            assert done.returncode == -signal.SIGKILL, done.stderr
            done = train(folder, *settings)
        assert done.returncode == 0, done.stderr
        runs.append(only_run(folder))
    assert same_weights(*runs)
    assert (runs[0] / "pictures" / "restored-00000012.jpg").is_file()


@pytest.mark.slow
def test_a_model_of_several_past_frames_is_calibrated_with_one(train, tmp_path, only_run):
    """Benchmarks of calibration give pairs, in which the farther past frames are missing."""
    source = [f"source.root={train.data}", "source.clips=3", "source.frames=12", "pairs=2"]
    small = [f"benchmark.{setting}" for setting in source]
    done = train(tmp_path, "method=multi_anchor", "benchmark=calibration", *small)
    assert done.returncode == 0, done.stderr
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    assert {"AUSE", "MSE"} <= set(summary["benchmark"]["metrics"])
