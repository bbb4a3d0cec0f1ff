"""Each option of the group, as a command composes and builds it."""

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import read_settings
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS


def build(*overrides):
    with initialize_config_dir(str(CONFIGS)):
        return read_settings(compose("train", [*overrides])).build("data")


@pytest.mark.parametrize(
    ("name", "split"),
    [("kinetics400", "val"), ("ucf101", "train2"), ("hmdb51", "test3"), ("ssv2", "validation")],
)
def test_a_set_is_built_from_its_file(put, tmp_path, name, split):
    put("set/class/10000000001.mp4")
    source = build(f"data={name}", f"data.root={tmp_path / 'set'}", "data.split=all")
    assert len(source.footage()) == 1
    assert build(f"data={name}", f"data.split={split}").split == split
    with pytest.raises(ConfigError, match="data: split=nothing: there are"):
        build(f"data={name}", "data.split=nothing")
