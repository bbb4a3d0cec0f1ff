"""Clips to measure on: 340x256, 10 s, H.264 as x264 encodes by default, key frames 250 apart.

From real footage, scaled and cropped, or drawn where there is none.
"""

from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from siammae.data.built_in.sprite_scene import Scene, SceneStyle
from siammae.data.reading.video import open_clip
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError

WIDTH, HEIGHT = 340, 256
RATE, FRAMES = 30, 300
# Faster than those to learn from: a frame of real footage differs more from the last.
STYLE = SceneStyle(
    size=WIDTH, speed=(0.5, 2.0), pan=(0.3, 1.5), spin=(0.0, 1.0), grain=1.0, noise=0.5
)


def make_clips(folder: Path, number: int, footage: Path | None) -> list[Path]:
    """Write ``number`` clips of real footage, or of drawn scenes.

    Raises:
        DataError: when the footage cannot be read.
    """
    folder.mkdir(parents=True)
    paths = [folder / f"{count:03d}.mp4" for count in range(number)]
    scenes = drawn(number) if footage is None else real(footage, number)
    for path, pictures in zip(paths, scenes, strict=True):
        write_video_file(path, pictures, WIDTH, HEIGHT)
    return paths


def real(footage: Path, number: int) -> Iterator[Iterator[np.ndarray]]:
    """Of the videos of a folder in turn; short ones run on backwards."""
    found = [path for path in Videos(str(footage), short_side=None).videos() if _opens(path)]
    if not found:
        raise DataError(f"--clips {footage}: no video could be read")
    for place, path in enumerate(islice(cycle(found), number)):
        clip = open_clip(path)
        again = place // len(found)  # another part, when there are fewer videos than clips
        first = min(again * FRAMES, max(0, clip.frames - FRAMES))
        indices = range(first, min(first + FRAMES, clip.frames))
        pictures = [fit(frame) for frame in clip.in_order(indices)]
        there_and_back = chain.from_iterable(cycle([pictures, pictures[::-1]]))
        yield islice(there_and_back, FRAMES)


def drawn(number: int) -> Iterator[Iterator[np.ndarray]]:
    """Textured objects before a moving camera."""
    for count in range(number):
        scene = Scene(np.random.default_rng(count), STYLE, FRAMES, 2 + count % 2)
        margin = (WIDTH - HEIGHT) // 2
        yield (scene.frame(t)[0][margin : margin + HEIGHT] for t in range(FRAMES))


def fit(frame: np.ndarray) -> np.ndarray:
    """A frame scaled to cover 340x256, and the middle of it."""
    height, width = frame.shape[:2]
    factor = max(HEIGHT / height, WIDTH / width)
    size = (max(WIDTH, round(width * factor)), max(HEIGHT, round(height * factor)))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    top, left = (size[1] - HEIGHT) // 2, (size[0] - WIDTH) // 2
    return scaled[top : top + HEIGHT, left : left + WIDTH]


def _opens(path: Path) -> bool:
    try:
        open_clip(path).read([0, 1])
    except DataError:
        return False
    return True


def write_video_file(
    path: Path, pictures: Iterator[np.ndarray], width: int, height: int, codec: str = "libx264"
) -> None:
    """As the codec encodes by default, but for key frames: 250 apart."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE, options={"g": "250", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            pixels = np.ascontiguousarray(picture)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
