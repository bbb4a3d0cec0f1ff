"""A key that came later, at its default, leaves runs of before their names and tables."""

import inspect

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from siammae.config.essential import essential
from siammae.config.schema import MethodKeys
from siammae.launching.registration import register_with_hydra
from siammae.methods.siammae import SiamMAE
from siammae.report.runs import difference
from siammae.report.tables.selection import recipe
from siammae.system.paths import CONFIGS
from siammae.tracking.record import RunRecord
from siammae.tracking.signature import signature

LATER = {"frame_gap_unit", "gap_unit", "visible_loss", "visible_loss_power"}
SETTINGS = [
    [],
    ["targets=multi", "targets.spacing=random", "benchmark=calibration"],
    ["benchmark=sprites_calibration", "targets=past_and_future"],
    ["method=catmae", "+method.visible_loss=0"],
]


def composed(overrides, resolve):
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return OmegaConf.to_container(compose("train", overrides), resolve=resolve)


def without_later(section):
    return {
        key: without_later(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if key not in LATER
    }


@pytest.mark.parametrize("overrides", SETTINGS)
def test_the_name_is_that_of_a_configuration_without_them(overrides):
    config = composed(overrides, resolve=True)
    assert config["frame_gap_unit"] == config["targets"]["gap_unit"] == "frames"
    assert signature(config, {}) == signature(without_later(config), {})
    raw = composed(overrides, resolve=False)
    assert recipe(raw, ["mask_ratio"]) == recipe(without_later(raw), ["mask_ratio"])
    assert not LATER & essential(config).keys()


@pytest.mark.parametrize("overrides", SETTINGS)
def test_seconds_are_another_run_and_another_table(overrides):
    seconds = [*overrides, "frame_gap_unit=seconds", "frame_gap=[1,2]"]
    frames = [*overrides, "frame_gap=[1,2]"]
    assert signature(composed(seconds, True), {}) != signature(composed(frames, True), {})
    one, other = (recipe(composed(each, False), ["mask_ratio"]) for each in (seconds, frames))
    assert one != other


def test_a_loss_on_visible_patches_is_another_run_and_a_row_of_the_same_table():
    plain, other = [], ["method.visible_loss=0.5"]
    assert signature(composed(plain, True), {}) != signature(composed(other, True), {})
    one, two = (recipe(composed(each, False), ["mask_ratio"]) for each in (plain, other))
    assert one != two
    swept = [recipe(composed(each, False), ["method.visible_loss"]) for each in (plain, other)]
    assert swept[0] == swept[1]


def test_the_defaults_of_a_methods_later_keys_are_its_class_s():
    accepted = inspect.signature(SiamMAE).parameters
    assert {key: accepted[key].default for key in MethodKeys.as_before} == MethodKeys.as_before


def test_the_unit_of_the_benchmark_alone_counts():
    config = composed(["benchmark=calibration"], True)
    before = signature(config, {})
    config["benchmark"]["gap_unit"] = "seconds"
    assert signature(config, {}) != before


def test_they_are_no_difference_between_an_old_and_a_new_run(tmp_path):
    config = composed([], True)
    one, other = RunRecord(tmp_path / "a"), RunRecord(tmp_path / "b")
    one.create(without_later(config))
    other.create({**config, "mask_ratio": 0.5})
    assert difference.settings(one, other) == {"mask_ratio": (0.95, 0.5)}
