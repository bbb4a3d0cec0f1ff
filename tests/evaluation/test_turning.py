"""Propagation through a video that turns: against PIL, and files that were turned before."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from siammae.config.check import validate
from siammae.config.groups import Group, build_group
from siammae.data.reading.label_masks import write_ids
from siammae.evaluation.benchmarks.davis import Davis, turn_frame, turn_ids
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.result_cache import Setting
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)


class Colours:
    """A patch's mean pixel."""

    patch_size = 4
    device = torch.device("cpu")

    def __call__(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)


def inner(height, width):
    """Pixels that come from the frame whatever the angle."""
    y, x = np.mgrid[:height, :width]
    reach = min(height, width) / 2 - 2
    return np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) < reach


@pytest.mark.parametrize("degrees", [2.0, -17.5, 58, 91, 181])
def test_frames_and_masks_turn_as_pil_turns_them(degrees):
    """Counter-clockwise, and both by the same."""
    y, x = np.mgrid[:60, :81]
    waves = [np.sin(x / 9 + y / 13), np.sin(y / 8), np.cos(x / 11 - y / 17)]
    pixels = (127 + 100 * np.stack(waves)).astype(np.uint8)
    ids = (pixels[0] // 64).astype(np.uint8)
    kept = inner(60, 81)
    picture = Image.fromarray(pixels.transpose(1, 2, 0))
    theirs = np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    ours = turn_frame(pixels, degrees)
    assert ours.shape == pixels.shape
    assert np.abs(ours.astype(int) - theirs)[:, kept].max() <= 3
    labels = np.asarray(Image.fromarray(ids).rotate(degrees))
    assert (turn_ids(ids, degrees) == labels)[kept].mean() > 0.98


@pytest.mark.parametrize("quarters", range(5))
def test_quarter_turns_of_squares_are_exact(quarters):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40), np.uint8)
    turned = np.rot90(pixels, quarters, (1, 2))
    np.testing.assert_array_equal(turn_frame(pixels, 90 * quarters), turned)
    np.testing.assert_array_equal(turn_ids(pixels[0], 90 * quarters), turned[0])


@pytest.mark.parametrize("shape", [(30, 90), (64, 64)])
def test_nothing_is_black_and_an_object_at_the_edge_is_reflected_with_its_label(shape):
    white = np.full((3, *shape), 255, np.uint8)
    assert (turn_frame(white, 33) == 255).all()
    ids = np.zeros(shape, np.uint8)
    ids[:, -shape[1] // 3 :] = 7
    frame = np.stack([ids * 30] * 3)
    turned, labels = turn_frame(frame, 40), turn_ids(ids, 40)
    assert set(np.unique(labels)) == {0, 7}
    away = np.abs(turned[0].astype(int) - 30 * labels.astype(int)) > 150
    assert away.mean() < 0.06  # on the border between the two, whose width is a pixel


@pytest.fixture
def turned_files(davis2017, tmp_path):
    """The same data, each frame and mask turned in the file."""
    root = tmp_path / "turned"
    (root / "ImageSets").parent.mkdir()
    (davis2017 / "ImageSets").rename(root / "ImageSets")
    for kind in ("JPEGImages", "Annotations"):
        for path in sorted((davis2017 / kind).rglob("0*.*")):
            out = root / path.relative_to(davis2017)
            out.parent.mkdir(parents=True, exist_ok=True)
            degrees = 10 * int(path.stem)
            if kind == "Annotations":
                write_ids(out, turn_ids(read_ids(path), degrees))
                continue
            # .jpg, but without loss: what PIL opens it tells by the content.
            pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
            Image.fromarray(turn_frame(pixels, degrees).transpose(1, 2, 0)).save(out, format="PNG")
    (davis2017 / "ImageSets").symlink_to(root / "ImageSets")
    return root


def test_it_is_the_same_as_on_files_that_were_turned_before(davis2017, turned_files):
    turning = Davis(str(davis2017), PROTOCOL, rotation=10)
    before = Davis(str(turned_files), PROTOCOL)
    result = turning.evaluate(Colours())
    assert result.per_object == before.evaluate(Colours()).per_object
    assert result.metrics["J-Mean"] > 0.7
    assert turning.copy_first_mask().per_object == before.copy_first_mask().per_object
    upright = Davis(str(davis2017), PROTOCOL).copy_first_mask()
    assert turning.copy_first_mask().per_object != upright.per_object


@pytest.mark.parametrize("score_at", ["own", "input"])
def test_processes_score_the_same_and_zero_is_as_without(davis2017, score_at):
    protocol = Propagation(3, 2, 4, 0.05, input_size=[48, 56], score_at=score_at)
    plain = Davis(str(davis2017), protocol).evaluate(Colours())
    assert Davis(str(davis2017), protocol, rotation=0.0).evaluate(Colours()) == plain
    turning = Davis(str(davis2017), protocol, rotation=-7.5).evaluate(Colours())
    assert turning.per_object != plain.per_object
    beside = Davis(str(davis2017), protocol, rotation=-7.5, workers=1).evaluate(Colours())
    assert beside == turning
    assert turning.settings["rotation"] == -7.5


def test_kept_masks_and_overlays_are_those_of_the_turning_frames(davis2017, tmp_path):
    benchmark = Davis(str(davis2017), PROTOCOL, rotation=30)
    benchmark.outputs = Outputs(tmp_path / "masks", tmp_path / "overlay")
    benchmark.evaluate(Colours())
    predicted = benchmark.predict("walk", Colours())
    import av

    with av.open(str(tmp_path / "overlay/walk.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for t, path in enumerate(benchmark.frames("walk")):
        assert np.array_equal(read_ids(tmp_path / f"masks/walk/{t:05d}.png"), predicted[t])
        pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
        frame = turn_frame(pixels, 30 * t).transpose(1, 2, 0)
        outside = predicted[t] == 0
        away = np.abs(shown[t].astype(float) - frame)[outside].mean()
        upright = np.abs(shown[t].astype(float) - pixels.transpose(1, 2, 0))[outside].mean()
        assert away < 9
        assert t == 0 or away < upright / 1.5


def benchmark_of(*overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        config = compose("train", list(overrides)).benchmark
    return OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize("name", ["davis2016", "davis2017", "sprites"])
def test_it_is_a_key_of_the_command_line_and_counts_in_the_cache(name, davis2017):
    keys = {}
    for rotation in (0.0, 2, 3.5):
        group = benchmark_of(f"benchmark={name}", f"benchmark.rotation={rotation}")
        built = build_group(validate(group, Group), "benchmark")
        assert built.settings()["rotation"] == rotation
        keys[rotation] = Setting("same", group, "files").key({})
    assert len(set(keys.values())) == 3


@pytest.mark.parametrize("value", ["inf", "nan", "181", "fast"])
def test_senseless_degrees_are_refused(value):
    group = benchmark_of("benchmark=davis2017", f"benchmark.rotation={value}")
    with pytest.raises(ConfigError, match="rotation") as raised:
        build_group(validate(group, Group), "benchmark")
    assert value in str(raised.value)


@pytest.mark.parametrize("name", ["sprites_turning", "davis2017_turning"])
def test_the_suites_measure_one_set_twice(name):
    group = benchmark_of(f"benchmark={name}", "benchmark.parts.upright.workers=0")
    suite = build_group(validate(group, Group), "benchmark")
    assert {key: part.rotation for key, part in suite.parts.items()} == {"upright": 0, "turning": 2}
    upright, turning = suite.parts.values()
    assert upright.files == turning.files
    assert suite.objective == "upright/J&F-Mean"


@pytest.mark.parametrize(
    ("overrides", "name"),
    {
        (): "sprites_turning",
        ("preset=paper",): "sprites_turning",
        ("benchmark=davis2017_turning",): "davis2017_turning",
        ("benchmark=davis2017",): None,
    }.items(),
)
def test_the_experiment_measures_both_unless_another_benchmark_is_chosen(overrides, name):
    group = benchmark_of("experiments=rotation", *overrides)
    assert group.get("name") == name
