"""Packs of small real videos."""

import shutil
from pathlib import Path

import pytest

from siammae.data.packing.pack_plan import PackSettings
from siammae.data.packing.write_pack import Packer
from siammae.data.sets.videos import Videos


def make_pack(
    root: Path, out: Path, said=None, stride=1, quality=90, short_side=None, workers=1, **changed
):
    """What ``siammae.pack`` does with these settings; returns the index."""
    source = Videos(root=str(root), short_side=short_side)
    clips = changed.get("clips") or source.footage()
    print_ = source.fingerprint() if "clips" not in changed else "0"
    settings = PackSettings(print_, stride, quality, short_side, changed.get("shard_mb", 256))
    max_broken, on_progress = (
        changed.get("max_broken", 0.05),
        changed.get("on_progress", lambda *_: None),
    )
    lines = [] if said is None else said
    classes = source.classes() if "clips" not in changed else None
    how = (workers, max_broken, lines.append, on_progress, classes)
    return Packer(clips, out, settings, *how).run()


@pytest.fixture(scope="session")
def pack():
    return make_pack


@pytest.fixture(scope="session")
def whole_pack(clips, tmp_path_factory) -> Path:
    """Of the six good clips, every frame."""
    out = tmp_path_factory.mktemp("packed") / "whole"
    make_pack(clips, out, workers=2)
    return out


@pytest.fixture
def own_pack(whole_pack, tmp_path) -> Path:
    """The same to be damaged."""
    return Path(shutil.copytree(whole_pack, tmp_path / "own"))
