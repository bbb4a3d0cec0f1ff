"""Odd files, and straight decoding, which says what is right."""

from pathlib import Path

import av
import numpy as np
import pytest
from odd_files import write_moving, write_odd_files


def straight(path, rotate=0):
    """All frames by PyAV from the start, turned by so many quarters."""
    with av.open(str(path), metadata_errors="ignore") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [np.rot90(frame, rotate) for frame in frames]


@pytest.fixture(scope="session")
def decode_straight():
    return straight


@pytest.fixture(scope="session")
def moving_clip():
    return write_moving


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory) -> Path:
    return write_odd_files(tmp_path_factory.mktemp("odd files"))
