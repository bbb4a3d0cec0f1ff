"""Combinations of groups that make no sense, refused by name before anything is built."""

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import check
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS


@pytest.fixture
def checked():
    def make(*overrides):
        register_with_hydra()
        with initialize_config_dir(str(CONFIGS)):
            return check(compose("train", list(overrides)))

    return make


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["targets=past_and_future", "targets.count=1"], ["targets.direction=both", "count=2"]),
        (
            ["targets=multi", "targets.count=1", "targets.loss_gap_power=1.0"],
            ["targets.loss_gap_power=1.0", "targets.count=1", "set it to 0"],
        ),
        (
            ["targets=multi", "targets.spacing=random", "frame_gap=8"],
            ["targets.spacing=random", "2 different gaps", "frame_gap=8", "has 1"],
        ),
        (
            ["targets=multi", "targets.count=4", "targets.spacing=random", "frame_gap=[4,6]"],
            ["4 different gaps", "frame_gap=[4, 6]", "has 3", "targets.spacing=even"],
        ),
        (
            ["targets=predict", "targets.count=1"],
            ["targets.predict=true", "targets.count=1", "take targets.count=2"],
        ),
    ],
)
def test_senseless_targets_are_refused_by_name(checked, overrides, words):
    with pytest.raises(ConfigError) as told:
        checked(*overrides)
    assert all(word in str(told.value) for word in words)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        ["targets=single"],
        ["targets=multi"],
        ["targets=multi", "targets.count=1"],
        ["targets=past_and_future", "targets.count=4", "targets.spacing=random", "frame_gap=[4,5]"],
        ["targets=predict", "targets.loss_gap_power=0.5", "frame_gap=8"],
    ],
)
def test_sensible_ones_pass(checked, overrides):
    checked(*overrides)


@pytest.mark.parametrize(("rotation", "name"), [("small", "SmallAngles"), ("any", "AnyAngle")])
def test_readers_cannot_resize_what_is_turned_by_any_angle(checked, rotation, name):
    with pytest.raises(ConfigError) as told:
        checked("augment.resize=host", f"rotation={rotation}")
    for word in ("augment.resize=host", name, "augment.resize=device", "rotation=right_angles"):
        assert word in str(told.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["augment.resize=host"],
        ["augment.resize=host", "rotation=right_angles"],
        ["augment.resize=device", "rotation=any"],
    ],
)
def test_readers_may_resize_otherwise(checked, overrides):
    checked(*overrides)
