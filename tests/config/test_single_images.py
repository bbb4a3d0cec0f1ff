"""Methods, targets and gaps on single images: what makes no sense is refused by name."""

import pytest
from hydra import compose, initialize_config_dir

from siammae.assembly.identity import identify
from siammae.config.check import check, read_settings
from siammae.config.single_images import OF_ONE_FRAME
from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.write_pack import Packer
from siammae.data.sets.images import Images
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

METHODS = sorted(path.stem for path in (CONFIGS / "method").glob("*.yaml"))
FIT = OF_ONE_FRAME.replace(" or ", ", ").split(", ")
PLAIN = ("tracking=none", "benchmark=none", "preset=gpu")


def composed(*overrides):
    with initialize_config_dir(str(CONFIGS)):
        return compose("train", [*PLAIN, *overrides])


@pytest.mark.parametrize("method", METHODS)
def test_the_methods_of_one_frame_are_those_that_the_error_names(method, tmp_path):
    """No file is needed to say so."""
    config = composed(f"method={method}", "data=images", f"data.root={tmp_path}")
    if method in FIT:
        check(config)
        return
    with pytest.raises(ConfigError) as told:
        check(config)
    for word in (f"method={method} takes several frames", "data=images has single", OF_ONE_FRAME):
        assert word in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method=mae", "frame_gap=4"], ["frame_gap=4: data=images", "leave it out"]),
        (["method=dino", "frame_gap=[4,48]"], ["frame_gap=[4, 48]", "frame_gap=null"]),
        (["method=simclr", "targets=single"], ["method=simclr", "SingleTarget", "own targets"]),
        (["method=simclr", "targets=single", "frame_gap=4"], ["method=simclr", "SingleTarget"]),
        (["method=supervised", "targets=chained", "frame_gap=8"], ["SeveralTargets"]),
        (["method=supervised", "targets=clip"], ["method=supervised", "ClipFrames"]),
        (["targets=two_views"], ["frame_gap=[4, 48]", "take frame_gap=null"]),
    ],
)
def test_targets_and_gaps_of_several_frames_are_refused(tmp_path, overrides, words):
    with pytest.raises(ConfigError) as told:
        check(composed("data=images", f"data.root={tmp_path}", *overrides))
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1


def test_what_takes_one_frame_by_other_settings_passes(tmp_path):
    root = f"data.root={tmp_path}"
    check(composed("data=images", root, "method=supervised", "targets=clip", "targets.frames=1"))
    check(composed("data=images", root, "targets=two_views", "frame_gap=null"))


def test_a_mixture_with_images_takes_what_images_take(tmp_path):
    parts = [
        "data=mixture",
        "+data@data.parts.some=images",
        f"data.parts.some.root={tmp_path}",
        "+data@data.parts.films=videos",
        f"data.parts.films.root={tmp_path}",
        "+data.weights={some: 1, films: 1}",
    ]
    check(composed(*parts, "method=mae"))
    with pytest.raises(ConfigError, match=r"method=siammae .*data=mixture has single images"):
        check(composed(*parts))


def test_so_does_a_pack_of_images(put_images, tmp_path):
    source = Images(str(put_images))
    settings = PackSettings(source.fingerprint(), 1, 90, None, 256)
    how = (1, 0.0, lambda line: None, lambda *_: None)
    Packer(source.footage(), tmp_path / "pack", settings, *how).run()
    config = ["data=packed", f"data.root={tmp_path / 'pack'}"]
    with pytest.raises(ConfigError, match=r"method=siammae .*data=packed has single images"):
        identify(read_settings(composed(*config)), None)
    with pytest.raises(ConfigError, match="frame_gap=4: data=packed has single images"):
        identify(read_settings(composed(*config, "method=mae", "frame_gap=4")), None)
    identify(read_settings(composed(*config, "method=mae")), None)


@pytest.fixture
def put_images(tmp_path):
    from PIL import Image

    (tmp_path / "set").mkdir()
    for number in range(4):
        Image.new("RGB", (24, 16)).save(tmp_path / "set" / f"{number}.png")
    return tmp_path / "set"


def test_targets_with_a_gap_want_one_whatever_the_clips():
    with pytest.raises(ConfigError, match=r"targets: .* frame_gap=null; set it, as frame_gap="):
        check(composed("method=simclr", "targets=single"))
