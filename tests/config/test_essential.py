"""Which keys can change a result, as the classes that use them declare."""

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import read_settings
from siammae.config.essential import essential, is_incidental
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS
from siammae.tracking.signature import signature


@pytest.fixture(scope="module")
def plain():
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        given = ["data=mixture_images", "benchmark=sprites_calibration"]
        return read_settings(compose("train", given)).as_dict()


@pytest.mark.parametrize(
    "path",
    [
        *("device", "tracking.mode", "trusted_packages", "preset", "experiments", "stale"),
        *("data.workers", "data.parts.davis.root", "data.parts.uvo.repeated_sampling"),
        *("benchmark.keep_gb", "benchmark.parts.sprites.source.root"),
        "benchmark.parts.calibration.root",
    ],
)
def test_a_key_that_its_class_calls_incidental(plain, path):
    assert is_incidental(path, plain)


@pytest.mark.parametrize("target", [[], {"a": 1}, None, 3, "siammae.data.NoSuch"])
def test_a_record_whose_class_is_none_keeps_all_its_keys(plain, target):
    config = {**plain, "augment": {"_target_": target, "size": 3}}
    assert essential(config)["augment"]["size"] == 3


@pytest.mark.parametrize(
    "path",
    [
        *("seed", "decoder.width", "decoder", "protocol", "data", "data.weights.uvo"),
        *("data.repeated_sampling", "data.parts.davis.short_side", "benchmark.parts.sprites"),
        *("benchmark.parts.sprites.source.clips", "optim.base_lr", "schedule.steps"),
    ],
)
def test_any_other_key_counts(plain, path):
    assert not is_incidental(path, plain)


def test_what_is_incidental_is_not_in_the_signature(plain):
    kept = essential(plain)
    assert "device" not in kept
    assert "protocol" not in kept
    assert kept["data"]["repeated_sampling"] == plain["data"]["repeated_sampling"]
    assert set(kept["data"]["parts"]["davis"]) == {
        *("_target_", "split", "resolution", "allow_measured", "fps", "short_side"),
    }
    moved = {**plain, "data": {**plain["data"], "workers": 7}, "device": "cuda"}
    assert signature(moved, {}) == signature(plain, {})
    assert signature({**plain, "seed": 1}, {}) != signature(plain, {})


@pytest.mark.parametrize("target", ["mypkg.Clips", "siammae.data.gone.Clips"])
def test_a_class_that_cannot_be_asked_counts_as_the_base_of_its_group(target):
    group = {"_target_": target, "root": "a", "workers": 1, "own": 1}
    assert essential({"data": group}) == {"data": {"_target_": target, "own": 1}}
    assert essential({"decoder": group}) == {"decoder": group}


def test_nothing_of_this_imports_torch():
    script = f"""
import sys
from hydra import compose, initialize_config_dir
from siammae.config.check import read_settings
from siammae.launching.registration import register_with_hydra
from siammae.tracking.signature import signature
register_with_hydra()
with initialize_config_dir({str(CONFIGS)!r}):
    settings = read_settings(compose("train", ["benchmark=all_sprites", "decoder=joint"]))
signature(settings.as_dict(), {{}})
settings.build("data")
settings.build("benchmark")
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_record_without_its_groups_is_asked_about_their_bases():
    assert is_incidental("data.parts.films.root", {})
    assert is_incidental("benchmark.source.root", {})
    assert not is_incidental("data.parts.films", {})
    assert not is_incidental("decoder.root", {})
