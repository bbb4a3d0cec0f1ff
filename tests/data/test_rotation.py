"""Angles: their distributions, which frames they reach, and what they leave alone."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from scipy import stats

from siammae.config.check import check, read_settings
from siammae.data.augment.colour import ColourJitter
from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import AnyAngle, NoRotation, RightAngles, SmallAngles
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.data.sampling.targets import Offsets, SingleTarget
from siammae.data.sets.videos import Videos
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS


def drawn(rotation, samples=2000, frames=3):
    rng = np.random.default_rng(0)
    return np.stack([rotation.draw(rng, frames) for _ in range(samples)])


def test_right_angles_are_drawn_equally_often():
    angles, counts = np.unique(drawn(RightAngles())[:, 0], return_counts=True)
    assert angles.tolist() == [0, 90, 180, 270]
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize(
    ("rotation", "reach"), [(SmallAngles(20), 20), (SmallAngles(0.5), 0.5), (AnyAngle(), 180)]
)
def test_other_angles_are_uniform(rotation, reach):
    angles = drawn(rotation)[:, 0]
    assert stats.kstest(angles, stats.uniform(-reach, 2 * reach).cdf).pvalue > 0.01


@pytest.mark.parametrize("kind", [RightAngles, SmallAngles, AnyAngle])
def test_which_frames_turn(kind):
    both, future, apart = (drawn(kind(applies_to=w)) for w in ("both", "future", "independent"))
    assert (both == both[:, :1]).all()
    assert both.any()
    assert not future[:, 0].any()
    assert (future[:, 1:] == future[:, 1:2]).all()
    assert future[:, 1].any()
    assert abs(np.corrcoef(apart.T) - np.eye(3)).max() < 0.1
    assert all(angles.dtype == np.float32 for angles in (both, future, apart))


def group(*overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return read_settings(compose("train", list(overrides))).build("rotation")


def test_options_of_the_command_line():
    assert isinstance(group(), NoRotation)
    assert group("rotation=small", "rotation.max_degrees=30").max_degrees == 30
    assert group("rotation=any", "rotation.applies_to=independent").applies_to == "independent"
    assert not group("rotation=right_angles").interpolates


@pytest.mark.parametrize(
    ("overrides", "message"),
    {
        ("rotation=small", "rotation.max_degrees=-1"): "max_degrees=-1: must be in [0, 180]",
        ("rotation=small", "rotation.max_degrees=181"): "max_degrees=181: must be in [0, 180]",
        (
            "rotation=small",
            "rotation.max_degrees=nan",
        ): "max_degrees=nan: should be a finite number",
        ("rotation=small", "rotation.max_degrees=far"): "max_degrees=far: a number is needed",
        ("rotation=any", "rotation.applies_to=past"): "applies_to=past: must be both, future, ind",
        ("rotation=any", "+rotation.max_degrees=9"): "rotation.max_degrees: no such key",
    }.items(),
)
def test_senseless_values_are_refused_in_one_line(overrides, message):
    with pytest.raises(ConfigError) as raised:
        group(*overrides)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("where", ["future", "independent"])
@pytest.mark.parametrize("rotation", ["small", "right_angles", "any"])
def test_frames_that_turn_apart_have_no_motion_to_mask_by(rotation, where):
    register_with_hydra()
    chosen = [f"rotation={rotation}", f"rotation.applies_to={where}"]
    with initialize_config_dir(str(CONFIGS)):
        check(compose("train", chosen))
        check(compose("train", [f"rotation={rotation}", "masking=motion"]))
        with pytest.raises(
            ConfigError, match=f"rotation.applies_to={where} turns .* MotionMasking"
        ):
            check(compose("train", [*chosen, "masking=motion"]))


class ThreeTargets(SingleTarget):
    """A given frame and three to restore."""

    def draw(self, rng, frames, scale=1.0):
        first = int(rng.integers(0, frames - 10))
        return Offsets([first, first + 2, first + 5, first + 9], False)


JITTER = {"shared_crop": False, "colour": ColourJitter()}
AUGMENTS = {"plain": {}, "jitter": JITTER}
ROTATIONS = [RightAngles("independent"), SmallAngles(40, "future"), AnyAngle("both")]


def batches(clips, rotation, arguments, targets=None, workers=0, first=0):
    source = Videos(str(clips), short_side=None, repeated_sampling=2)
    targets = targets or SingleTarget([3, 9])
    data = PairDataset(source, targets, rotation, PairAugment(32, **arguments), 5)
    return list(make_loader(data, 6, first, 12, workers))


def crops(batch):
    """Heights and widths of crops, and the crops."""
    sizes = (batch.size if batch.crop is None else batch.crop).flatten(0, 1).tolist()
    cuts = zip(batch.frames.flatten(0, 1), batch.size.flatten(0, 1).tolist(), sizes, strict=True)
    found = []
    for frame, (height, width), (h, w) in cuts:
        top, left = (height - h) // 2, (width - w) // 2
        found.append(frame[top : top + h, left : left + w].numpy())
    return sizes, found


@pytest.mark.parametrize("targets", [None, ThreeTargets(1)])
@pytest.mark.parametrize("augment", AUGMENTS)
@pytest.mark.parametrize("rotation", ROTATIONS, ids=lambda r: type(r).__name__)
def test_rotation_changes_no_other_draw(clips, rotation, augment, targets):
    """Clips, gaps, flips, colours and the pixels of every crop are those without rotation."""
    plain = batches(clips, NoRotation(), AUGMENTS[augment], targets)
    turned = batches(clips, rotation, AUGMENTS[augment], targets)
    for one, other in zip(plain, turned, strict=True):
        assert one.upright
        assert not other.upright
        assert not one.angle.any()
        assert other.angle.any()
        for name in ("clip", "gap", "flip", "colour"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        (sizes, before), (same, after) = crops(one), crops(other)
        assert sizes == same
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("rotation", ROTATIONS, ids=lambda r: type(r).__name__)
def test_any_number_of_workers_and_a_later_start_give_the_same(clips, rotation):
    alone = batches(clips, rotation, JITTER, ThreeTargets(1))
    for others in (
        batches(clips, rotation, JITTER, ThreeTargets(1), workers=2),
        [*alone[:2], *batches(clips, rotation, JITTER, ThreeTargets(1), first=6)],
    ):
        for one, other in zip(alone, others, strict=True):
            assert one.upright == other.upright
            for name in ("frames", "size", "flip", "colour", "angle", "gap", "clip", "crop"):
                mine, theirs = getattr(one, name), getattr(other, name)
                assert mine is theirs is None or torch.equal(mine, theirs), name


def test_samples_and_passes_differ_in_angle(clips):
    angles = torch.cat([batch.angle[:, 0] for batch in batches(clips, AnyAngle(), {})])
    assert len(angles.unique()) == len(angles)


@pytest.mark.parametrize("rotation", [SmallAngles(0), SmallAngles(30, "future")])
def test_frames_that_stay_upright_are_resampled_as_the_others(clips, rotation):
    """Or sharpness would tell them apart: also the given frame, and a batch without any angle."""
    for batch in batches(clips, rotation, {}):
        assert not batch.angle[:, 0].any()
        assert batch.crop is not None
        assert (batch.size[:, 0] == batch.crop[:, 0] + 4).all()


@pytest.mark.parametrize("rotation", [NoRotation(), *ROTATIONS], ids=lambda r: type(r).__name__)
def test_a_batch_on_the_device_is_frames_of_the_size_asked_for(clips, rotation):
    augment = PairAugment(32, **JITTER)
    frames = augment.apply(batches(clips, rotation, JITTER, ThreeTargets(1))[0])
    assert frames.shape == (6, 4, 3, 32, 32)
    assert frames.dtype == torch.float32
    assert frames.isfinite().all()
