"""Trees of real, tiny clips in the layouts of published sets."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx"}


@pytest.fixture(scope="session")
def originals(clip_maker, tmp_path_factory) -> dict[str, Path]:
    """One real clip for each ending."""
    folder = tmp_path_factory.mktemp("originals")
    return {
        ending: clip_maker(folder / f"clip{ending}", frames=8, codec=codec)
        for ending, codec in CODECS.items()
    }


@pytest.fixture
def put(originals, tmp_path) -> Callable[..., list[Path]]:
    """Copies a clip to each of the paths below ``tmp_path``."""

    def copy(*names: str) -> list[Path]:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(originals[Path(name).suffix], tmp_path / name)
        return [tmp_path / name for name in names]

    return copy
