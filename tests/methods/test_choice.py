"""The group method: what a method does not use is refused by name, and SiamMAE is as before."""

import pytest

from siammae.config.check import validate
from siammae.config.combinations import refuse_unused
from siammae.config.essential import essential
from siammae.config.schema import TrainConfig
from siammae.system.errors import ConfigError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method=mae", "masking=grid"], ["masking", "method=mae does not use it"]),
        (["method=mae", "encoding=joint"], ["encoding", "method=mae does not use it"]),
        (["method=mae", "frame_gap=4"], ["frame_gap=4", "no gap", "targets=single"]),
        (["method=mae", "decoder=cross_self"], ["method", "decoder=self"]),
        (["decoder=self"], ["SiamMAE restores a frame from another", "decoder=cross_self"]),
        (["method=cropmae", "decoder=self"], ["CropMAE restores a frame from another"]),
        (["decoder=self", "uncertainty=ensemble"], ["SiamMAE restores a frame from another"]),
        (["method=mae", "mask_ratio=null"], ["mask_ratio", "method=mae needs one"]),
        (["~decoder"], ["decoder", "method=siammae needs one"]),
        (["targets=same_frame"], ["frame_gap=[4, 48]", "no gap"]),
        (["method=mae", "benchmark=sprites_calibration"], ["benchmark", "method=mae does not"]),
        (["+method.encoder=vit_s16"], ["method.encoder", "chosen by itself"]),
        (["method=mae", "mask_ratio=0.99"], ["mask_ratio=0.99", "25 patches", "0.96 leaves one"]),
        (["method=rsp", "mask_ratio=0.98"], ["mask_ratio=0.98", "25 patches"]),
        (["method=simclr", "augment=crop_flip"], ["are alike", "method=simclr compares"]),
        (["+method.depth=2"], ["method.depth", "no such key"]),
        (["method=rsp", "targets=multi"], ["3 frames", "method=rsp takes 2", "targets.count=1"]),
        (["method=simclr", "targets.views=4"], ["4 frames or views", "takes 2", "targets.views=2"]),
        (["method=cropmae", "mask_ratio=0.9", "targets.views=3"], ["augment: 3 views", "are two"]),
        (["method=mae", "augment=multi_crop"], ["augment: method=mae", "of one size"]),
        (["method=dino", "augment=crop_flip"], ["several sizes", "augment=multi_crop"]),
        (["method=simclr", "batch_size=1"], ["batch_size=1", "method=simclr", "two at least"]),
        (["method=mae_st"], ["16 frames at stride 4", "61 frames", "targets.stride=3"]),
        (["method=mae_st", "data.frames=9"], ["targets.frames=16", "data.frames=9"]),
        (["method=dino", "method.prototypes=0"], ["method: prototypes 0 must be at least 1"]),
        (["method=simclr", "method.width=0"], ["method: hidden 2048 and width 0"]),
        (["method=rsp", "method.variables=0"], ["method: a latent of 0 variables"]),
        (["method=dino", "targets.views=1"], ["augment: 1 views", "2 large ones"]),
    ],
)
def test_settings_that_the_method_cannot_use_are_refused(settings_of, overrides, words):
    with pytest.raises(ConfigError) as told:
        settings_of(*overrides)
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1


def test_a_key_of_a_group_that_the_method_lacks_is_refused_though_a_preset_sets_it(settings_of):
    settings = settings_of("method=mae")
    with pytest.raises(ConfigError, match=r"masking\.ratio: method=mae has no masking"):
        refuse_unused(settings, ["seed", "masking.ratio"])
    refuse_unused(settings, ["decoder.depth", "method", "masking"])


def test_siammae_is_what_runs_from_before_the_choice_were(settings_of):
    config = settings_of().as_dict()
    before = {key: value for key, value in config.items() if key != "method"}
    assert essential(config) == essential(before)
    assert validate(before, TrainConfig).method.target == config["method"]["_target_"]
    assert essential(settings_of("method=mae").as_dict())["method"]["ratio"] == 0.75
