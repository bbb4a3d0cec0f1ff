"""Every method through the real entry point: killed, resumed, and what its picture shows."""

import json
import signal

import pytest
from tiny_runs import same_weights

from siammae.system.paths import CONFIGS

from .conftest import KILLED_IN_A_STEP, START

GAP = ("frame_gap=[1,3]",)
NO_DECODER = ("decoder.width", "decoder.depth", "decoder.heads", "decoder.dropout", "mask_ratio")
NO_DROPOUT = ("decoder.dropout", "frame_gap")
# Of each method: overrides, and settings of the smallest runs that it has no use for.
METHODS = {
    "siammae": (GAP, ()),
    "siammae, visible patches": ((*GAP, "method.visible_loss=0.5", "mask_ratio=0.5"), ()),
    "multi_anchor": ((*GAP, "targets.count=3"), ()),
    "tobo": (GAP, ()),
    "rsp": (GAP, ()),
    "catmae": (GAP, ()),
    "cropmae": ((), ("frame_gap",)),
    "mae": ((), NO_DROPOUT),
    "mae_st": (("targets.frames=4", "targets.stride=2"), NO_DROPOUT),
    "simclr": (("method.hidden=32", "method.width=16"), (*NO_DECODER, "frame_gap")),
    "dino": (("method.hidden=32", "method.prototypes=32"), (*NO_DECODER, "frame_gap")),
    "supervised": (("data.clips=12",), (*NO_DECODER, "frame_gap")),
}


def test_no_method_is_left_out():
    names = {name.partition(",")[0] for name in METHODS}
    assert names == {path.stem for path in (CONFIGS / "method").glob("*.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(train, tmp_path, only_run, name):
    """With its teacher, centre, latents and schedules, where a method has them."""
    overrides, drop = METHODS[name]
    settings = (f"method={name.partition(',')[0]}", *overrides)
    runs = []
    for place, script in (("whole", None), ("killed", START.format(patch=KILLED_IN_A_STEP))):
        folder = tmp_path / place
        folder.mkdir()
        done = train(folder, *settings, script=script, drop=drop)
        if script is not None:
            assert done.returncode == -signal.SIGKILL, done.stderr
            done = train(folder, *settings, drop=drop)
        assert done.returncode == 0, done.stdout + done.stderr
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
