"""What a run shows of its encoder at its end."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.data.built_in.sprites import write_video
from siammae.data.sets.videos import Videos
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.model.encoder import Encoder
from siammae.tracking.record import RunRecord
from siammae.tracking.wandb import Tracker
from siammae.training.session import Session


class Kept(Tracker):
    def __init__(self):
        self.pictures = []

    def log_picture(self, key, path, pairs_seen):
        self.pictures.append((key, path.name, pairs_seen))


class Walk(Benchmark):
    """Has one video, of three frames of 40 x 60 pixels."""

    def __init__(self, folder):
        self.folder = folder
        for t in range(3):
            pixels = np.full((40, 60, 3), 40 * t, np.uint8)
            Image.fromarray(pixels).save(folder / f"{t}.png")

    def videos(self):
        return ["walk"]

    def frames(self, video):
        assert video == "walk"
        return [self.folder / f"{t}.png" for t in (0, 1, 2, 0, 1)]


class Joints(Walk):
    """Has no frames to show."""

    def frames(self, video):
        return []


@pytest.fixture
def session(tmp_path):
    rng = np.random.default_rng(0)
    clips, run = tmp_path / "clips", RunRecord(tmp_path / "runs" / "abc")
    clips.mkdir()
    frames = rng.integers(0, 256, (8, 48, 48, 3), np.uint8)
    write_video(clips / "clip.mp4", iter(frames))
    run.create({})
    made = Session(None, run, Videos(str(clips)), None, Kept(), {})
    made.device, made.plan = torch.device("cpu"), SimpleNamespace(steps=5, batch_size=4)
    return made


@pytest.fixture
def encoder():
    return Encoder(image_size=32, patch_size=8, width=32, depth=1, heads=2)


@pytest.mark.parametrize(("kind", "width"), [(None, 48), (Walk, 60), (Joints, 48)])
def test_the_benchmark_s_first_video_or_a_clip_is_shown(session, encoder, tmp_path, kind, width):
    session.benchmark = None if kind is None else kind(tmp_path)
    session._draw_encoder(encoder)
    names = ["attention", "pca", "arrows"]
    assert session.tracker.pictures == [(f"media/{n}", f"{n}.jpg", 20) for n in names]
    height = 48 if width == 48 else 40
    with Image.open(session.record.folder / "pictures" / "attention.jpg") as image:
        tile = round(width * 180 / height) + 4
        assert image.width == 4 * tile + 4  # the frame, the mean, and two heads


def test_a_failure_costs_the_pictures_and_not_the_run(session, encoder, capsys):
    del encoder.blocks[0].attn.qkv
    session._draw_encoder(encoder)
    assert session.tracker.pictures == []
    assert "warning: no pictures of the encoder: " in capsys.readouterr().out
