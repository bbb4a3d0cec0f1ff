"""Real video files, made by PyAV."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest


def write_clip(
    path: Path,
    frames: int = 40,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
) -> Path:
    """A clip whose frames can be told apart: a square moves, a stripe counts in binary."""
    height, width = size
    rng = np.random.default_rng(len(path.name))
    ground = rng.integers(40, 90, (height // 4, width // 4, 3)).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"g": str(gop)})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        for number in range(frames):
            frame = ground.astype(np.uint8).copy()
            for bit in range(8):
                frame[:8, bit * 6 : bit * 6 + 6] = 235 if number >> bit & 1 else 16
            frame[20 : 20 + 10, number % (width - 10) : number % (width - 10) + 10] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def number_of(frame: np.ndarray) -> int:
    """The number that the stripe of a clip's frame shows."""
    return sum(int(frame[2:6, bit * 6 + 2 : bit * 6 + 4].mean() > 128) << bit for bit in range(8))


@pytest.fixture(scope="session")
def clip_maker() -> Callable[..., Path]:
    return write_clip


@pytest.fixture(scope="session")
def read_number() -> Callable[[np.ndarray], int]:
    return number_of


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A tree of six good clips of several sizes and lengths."""
    root = tmp_path_factory.mktemp("clips")
    (root / "a class").mkdir()
    for number, size in enumerate([(64, 48), (48, 64), (96, 72)]):
        write_clip(root / "a class" / f"-clip {number}.mp4", 30 + number, size)
        write_clip(root / f"other!{number}.mp4", 24 + number, size)
    return root
