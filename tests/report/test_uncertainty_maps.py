"""The command on a run's folder and a real video."""

import re

import av
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from siammae.assembly.build import build_model
from siammae.assembly.checkpoint import Checkpoints
from siammae.config.check import check
from siammae.data.built_in.sprites import write_video
from siammae.launching.registration import register_with_hydra
from siammae.report import uncertainty_maps
from siammae.system.paths import CONFIGS

SMALL = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2", "image_size=32"]
SMALL += ["decoder.width=32", "decoder.depth=1", "decoder.heads=2", "mask_ratio=0.75"]
SMALL += ["encoder.patch_size=8", "frame_gap=[2,6]"]


def run_folder(folder, *overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        config = compose("train", [*SMALL, *overrides])
    folder.mkdir()
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    Checkpoints(folder / "checkpoints").save(1, {"model": build_model(check(config)).state_dict()})
    return folder


@pytest.fixture
def video(tmp_path):
    rng = np.random.default_rng(0)
    write_video(tmp_path / "clip.mp4", iter(rng.integers(0, 256, (16, 64, 96, 3), np.uint8)))
    return tmp_path / "clip.mp4"


def command(run, video, *more):
    return uncertainty_maps.main([f"checkpoint={run}", f"video={video}", "device=cpu", *more])


def test_a_gap_in_seconds_is_the_videos_frames(tmp_path, video, capsys):
    """The middle of 0.05 to 0.15 s is 3 frames of 30 a second."""
    seconds = ["frame_gap_unit=seconds", "frame_gap=[0.05,0.15]"]
    run = run_folder(tmp_path / "run", "uncertainty=gaussian", *seconds)
    assert command(run, video, "frames=2", "passes=1") == 0
    assert "gap=3, 2 frames from 3 to 4" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["gaussian", "ensemble", "dropout"])
def test_a_sheet_and_a_video_are_written_into_the_run(tmp_path, video, capsys, option):
    run = run_folder(tmp_path / "run", f"uncertainty={option}")
    assert command(run, video, "frames=5", "every=2") == 0
    assert "gap=4, 5 frames from 4 to 12" in capsys.readouterr().out
    with Image.open(run / "pictures" / "uncertainty-clip.jpg") as sheet:
        assert sheet.height == 5 * (112 + 18 + 4) + 4
    with av.open(str(run / "pictures" / "uncertainty-clip.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 5
    assert shown[0].shape[0] == 64
    assert shown[0].shape[1] > 96  # the bar


def test_only_the_middle_square_is_painted(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    scale = uncertainty_maps.Scale(0, 1)
    shown = uncertainty_maps.overlaid(frame, np.eye(8), scale)
    assert np.array_equal(shown[:, :16], frame[:, :16])
    assert np.array_equal(shown[:, 80:96], frame[:, 80:])
    light, dark = shown[:4, 16:20].mean(), shown[:4, 76:80].mean()
    assert light > dark + 60


def test_frames_are_restored_from_the_right_ones(video):
    clip = uncertainty_maps.open_clip(video)
    whole = clip.read(range(10))
    for gap, times in ((3, [3, 5, 9]), (-2, [0, 4, 7])):
        ((past, frame),) = uncertainty_maps.batches(clip, times, gap)
        assert np.array_equal(frame, whole[times])
        assert np.array_equal(past, whole[[t - gap for t in times]])


def test_every_patch_is_hidden_at_least_once(tmp_path):
    run = run_folder(tmp_path / "run", "uncertainty=gaussian", "mask_ratio=0.3")
    model, _ = uncertainty_maps.load_model(run)
    frames = torch.randn(2, 3, 32, 32)
    maps = uncertainty_maps.restore(model, frames, frames.flip(0), 4, 1)
    assert maps.error.isfinite().all()
    again = uncertainty_maps.restore(model, frames, frames.flip(0), 4, 1)
    assert torch.equal(maps.expected, again.expected)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gap=16"], "gap=16: .* has 1[46] frames; at most 1[35]"),
        (["gap=0"], "gap=0: a frame is not restored from itself"),
        (["frames=0"], "frames=0: at least 1 is needed"),
        (["passes=x"], "passes: Value 'x'"),
        (["speed=2"], "speed: Key 'speed' not in"),
        (["device=tpu"], "device=tpu: must be"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, video, capsys, arguments, told):
    run = run_folder(tmp_path / "run", "uncertainty=gaussian")
    assert command(run, video, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert re.search(told, error)


def test_a_run_without_uncertainty_and_no_run_are_refused(tmp_path, video, capsys):
    assert command(run_folder(tmp_path / "run"), video) == 2
    assert "uncertainty=none predicts none" in capsys.readouterr().err
    assert command(tmp_path / "nowhere", video) == 2
    assert "nowhere: no such checkpoint" in capsys.readouterr().err
    assert uncertainty_maps.main(["video=clip.mp4"]) == 2
    assert "checkpoint" in capsys.readouterr().err
