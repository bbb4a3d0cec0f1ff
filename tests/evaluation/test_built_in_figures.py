"""The built-in benchmarks of poses and parts, and that their modules stay light."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pixel_features import Pixels

from siammae.config.check import read, validate
from siammae.config.commands import EvaluateConfig
from siammae.config.groups import Group, build_group
from siammae.data.built_in.puppet_scene import PuppetStyle
from siammae.data.built_in.puppets import Puppets
from siammae.evaluation.benchmarks.built_in import SpritesParts, SpritesPose
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.paths import CONFIGS

PROTOCOL = Propagation(top_k=3, queue=4, radius=4, temperature=0.05)


class Oracle:
    """Knows the joints: a patch's features are its nearness to each of them."""

    patch_size = 8
    device = torch.device("cpu")

    def __init__(self, joints):
        self.frames = iter(joints.transpose(2, 1, 0))  # (15, 2) of each frame

    def __call__(self, images):
        rows, columns = (side // 8 for side in images.shape[-2:])
        y, x = np.mgrid[0:rows, 0:columns].reshape(2, -1, 1) * 8
        places = next(self.frames)
        nearness = np.exp(-((x - places[:, 0]) ** 2 + (y - places[:, 1]) ** 2) / (2 * 6**2))
        elsewhere = np.full((rows * columns, 1), 0.05)
        return torch.from_numpy(np.hstack([nearness, elsewhere])).float()[None]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Without changing light, so that pixels can follow."""
    root = str(tmp_path_factory.mktemp("puppets"))
    return Puppets(root, clips=2, frames=8, style=PuppetStyle(light=0.0, noise=0.0))


@pytest.mark.parametrize("kind", [SpritesPose, SpritesParts])
def test_they_write_their_own_data_and_measure_it(source, kind):
    benchmark = kind(source, PROTOCOL)
    benchmark.prepare()
    assert benchmark.fingerprint() == source.fingerprint()
    result = benchmark.evaluate(Pixels())
    assert not result.failed
    assert result.settings[f"{benchmark.units[0]}s"] == 2
    assert result.settings[f"official_{benchmark.units[0]}s"] is None  # nothing to compare with
    assert 0 < result.value < 1
    assert result.as_dict() == benchmark.evaluate(Pixels()).as_dict()  # repeats exactly


def test_an_encoder_that_knows_the_joints_follows_them(source):
    """What is lost on the way is the grid's: cells of 8 pixels, of which about 6 are allowed."""
    benchmark = SpritesPose(source, PROTOCOL)
    benchmark.prepare()
    rows = []
    for clip in benchmark.videos():
        oracle = Oracle(benchmark.files.joints(clip))
        rows += benchmark.score(clip, benchmark.predict(clip, oracle))
    figures = benchmark.total(rows)
    assert figures["PCK@0.1"] > 0.85
    assert figures["PCK@0.2"] > 0.95
    assert figures["PCK@0.1"] > benchmark.copy_first_mask().value + 0.2


def test_pixels_follow_parts_better_than_the_first_mask(source):
    benchmark = SpritesParts(source, PROTOCOL)
    benchmark.prepare()
    assert benchmark.evaluate(Pixels()).value > benchmark.copy_first_mask().value + 0.1


@pytest.mark.parametrize("kind", [SpritesPose, SpritesParts])
def test_the_truth_scores_exactly_one(source, kind):
    benchmark = kind(source, PROTOCOL)
    benchmark.prepare()
    rows = []
    for video in benchmark.videos():
        files = benchmark.files
        truth = files.joints(video) if kind is SpritesPose else files.truth(video)
        rows += benchmark.score(video, truth)
    figures = benchmark.total(rows)
    assert figures[benchmark.objective] == 1.0
    assert benchmark.copy_first_mask().value < 0.9


@pytest.mark.parametrize("name", ["jhmdb", "vip", "sprites_pose", "sprites_parts"])
@pytest.mark.parametrize("protocol", ["paper", "dino", "crw", "cropmae"])
def test_their_configs_build(name, protocol):
    with initialize_config_dir(str(CONFIGS)):
        config = compose("evaluate", [f"benchmark={name}", f"protocol={protocol}", "checkpoint=x"])
    group = OmegaConf.to_container(config.benchmark, resolve=True)
    benchmark = build_group(validate(group, Group), "benchmark")
    assert benchmark.name == name
    assert benchmark.settings()["preset"] == ("sprites" if "sprites" in name else protocol)


def test_numbers_of_the_paper_for_each_task():
    """Table 4b: neighbours, queue and neighbourhood."""
    with initialize_config_dir(str(CONFIGS)):
        for name, numbers in (("jhmdb", (7, 20, 20)), ("vip", (10, 20, 8))):
            config = compose("evaluate", [f"benchmark={name}", "checkpoint=x"])
            settings = read(config, EvaluateConfig).build("benchmark").settings()
            assert (settings["top_k"], settings["queue"], settings["radius"]) == numbers


@pytest.mark.parametrize("name", ["jhmdb", "vip", "built_in", "calibration"])
def test_imports_stay_light(name):
    script = f"import sys, siammae.evaluation.benchmarks.{name}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "timm", "torchvision", "decord", "av", "cv2", "pandas", "wandb", "scipy"}
    assert not heavy & set(run.stdout.split())
