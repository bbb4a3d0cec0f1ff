"""Runs on single images, typed as a user would: every method of one frame, and what is refused."""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preloaded import run_command
from tiny_runs import same_weights

from .conftest import KILLED_IN_A_STEP, START

# Of the settings of tiny runs those that a method of one frame has no use for.
NO_GAP = ("frame_gap", "data.clips", "data.frames")
UNUSED = ("decoder.width", "decoder.depth", "decoder.heads", "decoder.dropout", "mask_ratio")
SHORT = ("schedule.steps=3", "schedule.warmup_steps=1")
METHODS = {
    "mae": ("mask_ratio=0.75", "decoder.width=32", "decoder.depth=1", "decoder.heads=2"),
    "cropmae": ("mask_ratio=0.75",),
    "simclr": ("method.hidden=32", "method.width=16"),
    "dino": ("method.hidden=32", "method.bottleneck=16", "method.prototypes=64"),
    "supervised": (),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Three classes in ImageNet's layout, of several sizes and forms."""
    root = tmp_path_factory.mktemp("imagenet")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("n01440764", "n01443537", "n01484850")):
        (root / "train" / name).mkdir(parents=True)
        for k in range(4):
            pixels = rng.integers(0, 255, (36 + 4 * k, 60 - 4 * number, 3), np.uint8)
            image = Image.fromarray(pixels)
            image = image.convert(("RGB", "L", "CMYK", "RGB")[k])
            image.save(root / "train" / name / f"{name}_{10 - k}.JPEG")
    (root / "val").mkdir()
    Image.new("RGB", (40, 40)).save(root / "val" / "ILSVRC2012_val_00000001.JPEG")
    return root


@pytest.fixture
def start(train, tmp_path, images):
    """start(method, ...) -> a finished command on the images."""

    def run(method, *overrides, root=images, **how):
        drop = NO_GAP if method == "cropmae" else NO_GAP + UNUSED
        own = METHODS.get(method, ("mask_ratio=0.75",))
        chosen = (f"method={method}", "data=images", *own, *overrides)
        return train(tmp_path, *chosen, root=root, drop=drop, **how)

    return run


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


@pytest.mark.parametrize("method", METHODS)
def test_each_method_of_one_frame_is_trained(start, tmp_path, only_run, method):
    done = start(method, *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout
    run = only_run(tmp_path)
    result = summary(run)
    assert (result["steps"], result["data"]["clips"]) == (3, 12)
    assert result["data"]["broken"] == {}
    assert np.isfinite(result["metrics"]["train/loss"])
    drawn = sorted(path.stem for path in (run / "pictures").iterdir())
    assert drawn == ["attention", "pca", "restored-00000003"]
    if method == "supervised":
        config = (run / "config.yaml").read_text()
        assert "classes: 3" in config


@pytest.mark.parametrize(
    ("method", "overrides", "words"),
    [
        ("siammae", (), "method=siammae takes several frames of a clip"),
        ("mae_st", (), "method=mae_st takes several frames of a clip"),
        ("mae", ("frame_gap=4",), "frame_gap=4: data=images has single images"),
    ],
)
def test_what_takes_several_frames_ends_in_one_line(start, tmp_path, method, overrides, words):
    """The other methods and settings: tests/config."""
    done = start(method, *overrides)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {words}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_multirun_refuses_it_before_its_first_run(start, tmp_path):
    done = start("mae", "-m", "frame_gap=null,4")
    assert done.returncode != 0
    assert "frame_gap=4: frame_gap=4: data=images has single images" in done.stderr
    assert not list((tmp_path / "runs").glob("*/config.yaml"))


def test_broken_images_are_left_out_up_to_a_share(start, tmp_path, images, only_run):
    root = tmp_path / "set"
    for path in images.glob("train/*/*"):
        other = root / path.relative_to(images)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    cut = root / "train/n01440764/n01440764_10.JPEG"
    cut.write_bytes(cut.read_bytes()[:300])
    Image.new("L", (12_000, 8_000)).save(root / "train/n01443537/bomb.JPEG", quality=5)
    refused = start("supervised", *SHORT, root=root)
    assert refused.returncode == 2
    line = refused.stderr.splitlines()[-1]
    assert "of 13 clips cannot be read, more than data.max_broken=0.05 allows" in line
    done = start("supervised", "schedule.steps=6", "data.max_broken=0.2", root=root)
    assert done.returncode == 0, done.stderr
    (run,) = [path.parent for path in (tmp_path / "runs").glob("*/summary.json")]
    broken = summary(run)["data"]["broken"]
    assert {Path(name).name for name in broken} == {"n01440764_10.JPEG", "bomb.JPEG"}


def test_a_killed_run_goes_on_to_the_same_bits(start, train, images, tmp_path, only_run):
    """Also with other numbers of readers."""
    whole = tmp_path / "whole"
    whole.mkdir()
    settings = ("method=cropmae", "data=images", "data.repeated_sampling=2")
    done = train(whole, *settings, "data.workers=2", root=images, drop=NO_GAP)
    assert done.returncode == 0, done.stderr
    again = "data.repeated_sampling=2"
    killed = start("cropmae", again, script=START.format(patch=KILLED_IN_A_STEP))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = start("cropmae", again)
    assert done.returncode == 0, done.stderr
    assert "going on after step 6 of 12" in done.stdout
    runs = [next((folder / "runs").glob("*/summary.json")).parent for folder in (tmp_path, whole)]
    assert runs[0].name == runs[1].name
    assert same_weights(*runs)


def test_a_pack_of_images_is_trained_on_with_its_classes(start, tmp_path, images, only_run):
    pack = [sys.executable, "-m", "siammae.pack", "data=images", f"data.root={images}", "out=pack"]
    refused = run_command([*pack, "stride=4"], cwd=tmp_path, timeout=100)
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: stride=4: single images have no frames to leave out; take stride=1\n"
    )
    done = run_command([*pack, "progress=none"], cwd=tmp_path, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "packed: 12 clips with 12 frames" in done.stdout
    done = start("supervised", *SHORT, "data=packed", root=tmp_path / "pack")
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert "classes: 3" in (run / "config.yaml").read_text()
    assert summary(run)["data"]["clips"] == 12
    refused = start("siammae", "data=packed", root=tmp_path / "pack")
    assert refused.stderr.startswith("error: method=siammae takes several frames of a clip")
