"""What a preset brings, and what wins over it on the command line."""

from collections.abc import Callable

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from siammae.config.visible_patches import visible_count
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS, ROOT


@pytest.fixture
def composed() -> Callable[..., DictConfig]:
    def make(*overrides: str) -> DictConfig:
        register_with_hydra()
        with initialize_config_dir(str(CONFIGS)):
            return compose("train", list(overrides))

    return make


def options(group):
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


@pytest.mark.parametrize("preset", options("preset"))
@pytest.mark.parametrize("option", options("augment"))
def test_an_option_of_augment_is_what_its_file_says(composed, preset, option):
    """A preset once set the crops of whatever option was chosen: augment=none cropped at random."""
    chosen = composed(f"preset={preset}", f"augment={option}").augment
    alone = composed("~preset", f"augment={option}").augment
    assert OmegaConf.to_container(chosen) == OmegaConf.to_container(alone)


def test_none_does_not_crop_and_the_demo_crops_small(composed):
    assert composed("augment=none").augment.crop_scale is None
    assert composed("augment=crop_flip").augment.crop_scale == [0.5, 1.0]
    assert composed().augment.crop_scale == [0.08, 0.22]
    assert composed("preset=paper").augment.crop_scale == [0.5, 1.0]
    assert composed("augment.crop_scale=[0.3,0.4]").augment.crop_scale == [0.3, 0.4]


@pytest.mark.parametrize("option", options("augment"))
def test_jitter_is_an_option_or_a_key_of_any_option(composed, option):
    """So that at demo scale it is compared on the demo's crops."""
    chosen = composed(f"augment={option}").augment
    if "shared_crop" not in chosen:  # views with crops and colours of their own
        return
    assert chosen.shared_crop == (option != "spatial_jitter")
    assert chosen.colour.strength == (option == "colour_jitter")
    keys = ["augment.shared_crop=false", "augment.colour.strength=1"]
    both = composed(f"augment={option}", *keys).augment
    assert (both.shared_crop, both.colour.strength) == (False, 1)
    assert both.crop_scale == chosen.crop_scale


@pytest.mark.parametrize("preset", options("preset"))
def test_every_ratio_of_the_sweep_leaves_a_patch_in_every_preset(composed, preset):
    sweep = OmegaConf.load(ROOT / "sweeps" / "masking.yaml").hydra.sweeper.params.mask_ratio
    largest = float(sweep.rstrip(")").split(",")[1])
    config = composed(f"preset={preset}")
    assert visible_count((config.image_size // config.encoder.patch_size) ** 2, largest) >= 1
