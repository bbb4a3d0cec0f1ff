"""The configurations of the benchmarks of harder data: they build, under every protocol."""

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import read
from siammae.config.commands import EvaluateConfig
from siammae.evaluate import with_run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

NAMES = ("vspw", "uvo", "kitti_step", "kitti_mots", "kitti_flow")


def build(*overrides):
    with initialize_config_dir(str(CONFIGS)):
        config = compose("evaluate", ["checkpoint=null", *overrides])
    return read(config, EvaluateConfig).build("benchmark")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", ["paper", "dino", "crw", "cropmae"])
def test_they_build_and_tell_their_protocol(name, protocol, tmp_path):
    benchmark = build(f"benchmark={name}", f"protocol={protocol}", f"benchmark.root={tmp_path}")
    settings = benchmark.settings()
    assert benchmark.name == name
    assert settings["preset"] == protocol
    assert settings["note"].startswith("no standard protocol")


def test_a_wrong_key_is_told():
    with pytest.raises(ConfigError, match=r"benchmark\.spilt: no such key"):
        build("benchmark=uvo", "+benchmark.spilt=train")


def test_what_a_benchmark_refers_to_is_the_measured_run_s_and_the_command_line_wins():
    class Run:
        def trained_as(self):
            return {
                **{"frame_gap": [2, 8], "mask_ratio": 0.5, "image_size": 40, "seed": 7},
                "benchmark": {"_target_": "subprocess.Popen"},
            }

    with initialize_config_dir(str(CONFIGS)):
        given = ["checkpoint=x", "benchmark=calibration", "benchmark.mask_ratio=0.75"]
        settings = with_run(compose("evaluate", given), Run())
    group = settings.benchmark.as_dict()
    assert group["_target_"] == "siammae.evaluation.Calibration"
    assert (group["gap"], group["mask_ratio"], group["image_size"]) == ([2, 8], 0.75, 40)
