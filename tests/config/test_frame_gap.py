"""The gap in both units: what is taken, and what is refused in words that help."""

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import check
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

SECONDS = "frame_gap_unit=seconds"


def checked(*overrides):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return check(compose("train", list(overrides)))


@pytest.mark.parametrize(
    ("overrides", "gap"),
    [
        (["frame_gap=8"], 8),
        ([SECONDS, "frame_gap=[0.13,1.6]"], [0.13, 1.6]),
        ([SECONDS, "frame_gap=[1,2]"], [1, 2]),
        ([SECONDS, "frame_gap=0.5"], 0.5),
        ([SECONDS, "frame_gap=[0.1,1]", "targets=multi", "targets.spacing=random"], [0.1, 1]),
    ],
)
def test_gaps_of_both_units(overrides, gap):
    settings = checked(*overrides)
    assert settings.frame_gap == gap
    assert (settings.frame_gap_unit == "seconds") == (SECONDS in overrides)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["frame_gap=0.5"], ["an int >= 1", "not 0.5", "for seconds say frame_gap_unit=seconds"]),
        (["frame_gap=[0.13,1.6]"], ["an int >= 1", "for seconds say frame_gap_unit=seconds"]),
        (["frame_gap=[4,8,12]"], ["[lo, hi] with 1 <= lo <= hi", "not [4, 8, 12]"]),
        (["frame_gap=abc"], ["an int >= 1", "not 'abc'"]),
        (["frame_gap=true"], ["an int >= 1", "not True"]),
        ([SECONDS], ["is up to 48 seconds", "at most 30", "frame_gap=[0.13,1.6]"]),
        ([SECONDS, "frame_gap=0"], ["a number > 0", "not 0"]),
        ([SECONDS, "frame_gap=[-1,2]"], ["a number > 0"]),
        ([SECONDS, "frame_gap=.nan"], ["frame_gap"]),
        ([SECONDS, "frame_gap=[1.6,0.13]"], ["frame_gap=[1.6,0.13] is reversed; write frame_gap="]),
        (["frame_gap_unit=minutes"], ["frame_gap_unit=minutes: must be frames or seconds"]),
        (
            [SECONDS, "frame_gap=0.5", "targets=multi", "targets.spacing=random"],
            ["targets.spacing=random", "has 1", "frame_gap=[0.13,1.6]"],
        ),
    ],
)
def test_senseless_gaps_are_refused_in_one_line(overrides, words):
    with pytest.raises(ConfigError) as told:
        checked(*overrides)
    assert all(word in str(told.value) for word in words), str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "frame_gap: frame_gap" not in str(told.value)


def test_a_wrong_gap_is_told_beside_other_wrong_settings():
    with pytest.raises(ConfigError) as told:
        checked("frame_gap=0", "seed=-1")
    assert len(str(told.value).splitlines()) == 2
