"""A run on folders of images and on videos at once, typed as a user would, with gaps in seconds."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (40, 56, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.jpg")
    return tmp_path / "images"


def test_a_mixture_of_images_and_videos_is_trained_on(train, tmp_path, images, only_run):
    done = train(
        tmp_path,
        "schedule.steps=2",
        "schedule.warmup_steps=1",
        "frame_gap_unit=seconds",
        "frame_gap=[0.05,0.3]",
        "data=mixture",
        "+data@data.parts.films=sprites",
        f"data.parts.films.root={train.data}",
        "data.parts.films.clips=3",
        "data.parts.films.frames=12",
        "+data@data.parts.images=sequences",
        f"data.parts.images.root={images}",
        "data.parts.images.fps=10",
        "+data.weights={films: 1, images: 3}",
        drop=("data.clips", "data.frames", "data.root"),
    )
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 2
    assert summary["data"]["clips"] == 5
    assert summary["data"]["broken"] == {}
    assert np.isfinite(summary["metrics"]["train/loss"])
