"""Bad settings through the real entry point: one clear error, nothing built, exit code 2."""

import sys

import pytest
from preloaded import run_command

CASES = {
    "mask_ratio=1.5": "mask_ratio=1.5: should be less than 1",
    "mask_ratio=0": "mask_ratio=0",
    "mask_ratio=abc": "mask_ratio='abc': should be a valid number",
    "mask_ratio=0.99": "mask_ratio=0.99 leaves no patch visible of 25",
    "mask_ratio=0.9949 image_size=112": "no patch visible of 196 (image_size=112, "
    "encoder.patch_size=8); 0.9948 leaves one",
    "image_size=8": "image_size=8, encoder.patch_size=8: one patch cannot be both seen and hidden",
    "frame_gap=0": "frame_gap: an int >= 1, or [lo, hi]",
    "frame_gap=-4": "frame_gap: an int >= 1, or [lo, hi]",
    "frame_gap=[48,4]": "frame_gap=[48,4] is reversed; write frame_gap=[4,48]",
    "image_size=65": "image_size=65 is not a multiple of encoder.patch_size=8; the nearest",
    "decoder=cros": "decoder=cros: no such option (did you mean 'cross'?)",
    "optim.lr=0.001": "optim.lr: no such key (did you mean 'optim.base_lr'?)",
    "+optim.lr=0.001": "optim.lr: no such key (did you mean 'optim.base_lr'?)",
    "uncertainty=ensemble uncertainty.members=0": "uncertainty: members=0: an ensemble has at",
    "preset=paper schedule.steps=20": "type schedule.steps=20 schedule.warmup_steps=2 "
    "schedule.epochs=null schedule.warmup_epochs=null",
    "mask_raito=0.5": "mask_raito: no such key (did you mean 'mask_ratio'?)",
    "decoder.widht=64": "decoder.widht: no such key (did you mean 'decoder.width'?)",
    "+decoder.dropuot=0.1": "decoder.dropuot: no such key (did you mean 'decoder.dropout'?)",
    "+optim.weight_decya=0.1": "optim.weight_decya: no such key ("
    "did you mean 'optim.weight_decay'?)",
    "decoder.norm=middle": "decoder: norm 'middle' is neither 'pre' nor 'post'",
    "decoder.heads=7": "width 128 is not a multiple of heads 7",
    "optim.clip=inf": "optim.clip=inf: should be a finite number",
    "optim.base_lr=nan": "optim.base_lr=nan: should be a finite number",
    "optim.betas=[0.9,-inf]": "optim.betas.1=-inf: should be",
    "decoder.dropout=nan": "decoder.dropout=nan: should be a finite number",
    "benchmark.propagation.temperature=inf": "benchmark.propagation.temperature=inf: should be a",
    "batch_size=63": "batch_size=63 is not a multiple of",
    "masking=symmetric masking.past_ratio=0.99": "masking.past_ratio=0.99 leaves no patch visible "
    "of 25 (image_size=40, encoder.patch_size=8); 0.96 leaves one",
    "+masking.past_ratio=0.5": "masking.past_ratio: no such key",
    "mask_ratio=0.95 encoder.patch_size=10": "mask_ratio=0.95 leaves no patch visible of 16 "
    "(image_size=40, encoder.patch_size=10); 0.9375 leaves one",
    "encoding=joined": "encoding=joined: no such option (did you mean 'joint'?)",
    "+augment.colour.hues=0.1": "augment.colour.hues: no such key ("
    "did you mean 'augment.colour.hue'?)",
    "schedule.length=0.1": "warmup_steps=70 leaves nothing of length=0.1 times steps=700",
    "schedule.epochs=3": "give steps or epochs",
    "schedule.warmup_steps=700": "warmup_steps=700 leaves nothing of steps=700",
    "data=videos": "data.root must be given",
    "method=multi_anchor targets=single": "method.anchors follows targets.count, which the chosen",
    "method=mae_st targets=single": "decoder.frames follows targets.frames, which the chosen",
    "data=videos data.root=gone": "data.root=gone: no such folder or list file",
    "data=videos data.root=.": "holds no video",
    "data=videos data.root=. data.manifest=gone.parquet": "gone.parquet: no such manifest",
    "data.manifest=3": "data.manifest=3: a text is needed, or null",
    "data.manifest=x.parquet": "built-in clips are read without; use null",
    "device=cuda:99": "device=cuda:99 is not on this machine",
    "runs_dir=/dev/null/runs": "/dev/null/runs cannot be written",
    "-m runs_dir=/dev/null/runs mask_ratio=0.5,0.75": "/dev/null/runs cannot be written",
    "benchmark=davis2017": "no such folder; a DAVIS root holds",
    "protocol=dino": "protocol=dino changes nothing: the chosen benchmark follows 'sprites'",
    "protocol=dino benchmark=none": "the chosen benchmark propagates no labels",
    "protocol=dinos": "protocol=dinos: no such option (did you mean 'dino'?)",
    "benchmark.propagation.top_k=0": "propagation.top_k=0: an int >= 1 is needed",
    "benchmark.propagation.top_k=2.5": "benchmark.propagation.top_k=2.5: an int is needed",
    "benchmark.propagation.window_first=no": "window_first=no: a bool is needed, true or false",
    "benchmark.workers=-1": "workers=-1: an int >= 0 is needed",
}


@pytest.mark.parametrize("arguments", CASES)
def test_one_clear_error(arguments, tmp_path):
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "siammae.train", *arguments.split(), "tracking=none"]
    if "data=videos" not in arguments:
        command += ["data.clips=1", "data.frames=4"]
    done = run_command(command, cwd=tmp_path / "empty", timeout=300)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert CASES[arguments] in done.stderr


def test_a_mask_ratio_that_leaves_nothing_makes_no_run(tmp_path):
    command = [sys.executable, "-m", "siammae.train", "mask_ratio=0.99", "tracking=none"]
    command += ["data.clips=1", "data.frames=4"]
    done = run_command(command, cwd=tmp_path, timeout=300)
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_several_errors_are_told_at_once(tmp_path):
    command = [sys.executable, "-m", "siammae.train", "seed=-1", "mask_ratio=2"]
    done = run_command(command, cwd=tmp_path, timeout=300)
    assert "seed=-1" in done.stderr
    assert "mask_ratio=2" in done.stderr
