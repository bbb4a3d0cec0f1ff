"""The clips that pairs are drawn from: how they are opened, and in which order they are visited."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.video import open_clip


class Clips(Protocol):
    """The clips of a data set, numbered from 0.

    It is sent to every process that reads, so it should be small.
    """

    def __len__(self) -> int: ...

    def name(self, clip: int) -> str:
        """Return what messages and tables call a clip."""

    def open(self, clip: int) -> Clip:
        """Open a clip for reading.

        Raises:
            DataError: when it cannot be opened.
        """

    def turn(self, seed: int, visit: int) -> int:
        """Return the clip of a visit; a run makes visits 0, 1, 2 and so on."""


class FileClips(Clips):
    """Clips of one file each, visited in a new random order in every pass.

    Args:
        paths: the files.
        short_side: short side of the frames, see `shrink`.
    """

    def __init__(self, paths: Sequence[Path], short_side: int | None = None):
        self.paths, self.short_side = paths, short_side

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, clip: int) -> str:
        """Return the path of a clip."""
        return str(self.paths[clip])

    @override
    def open(self, clip: int) -> Clip:
        return SmallerClip(open_clip(self.paths[clip]), self.short_side)

    @override
    def turn(self, seed: int, visit: int) -> int:
        return shuffled_turn(seed, visit, len(self))


def shuffled_turn(seed: int, visit: int, clips: int) -> int:
    """Return the clip of a visit when every pass visits each clip once, in an order of its own."""
    return int(_order(seed, visit // clips, clips)[visit % clips])


@lru_cache(maxsize=16)  # the passes of a mixture's parts are under way at once
def _order(seed: int, turn: int, clips: int) -> np.ndarray:
    """Return the order of the clips in one pass."""
    return np.random.default_rng([seed, turn, 1 << 33]).permutation(clips)


class HeldClips(Clips):
    """Clips that this process decodes once each and then holds in its memory."""

    def __init__(self, clips: Clips):
        self.clips = clips
        self.held: dict[int, Clip] = {}

    def __len__(self) -> int:
        return len(self.clips)

    @override
    def name(self, clip: int) -> str:
        return self.clips.name(clip)

    @override
    def open(self, clip: int) -> Clip:
        if clip not in self.held:
            self.held[clip] = HeldClip(self.clips.open(clip))
        return self.held[clip]

    @override
    def turn(self, seed: int, visit: int) -> int:
        return self.clips.turn(seed, visit)


class HeldClip(Clip):
    """A clip whose frames are all in memory."""

    def __init__(self, clip: Clip):
        self.frames, self.fps, self.step = clip.frames, clip.fps, clip.step
        self.pixels = clip.read(range(clip.frames))

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return self.pixels[list(indices)]


class SmallerClip(Clip):
    """A clip whose frames are shrunk."""

    def __init__(self, clip: Clip, short_side: int | None):
        self.frames, self.fps, self.step = clip.frames, clip.fps, clip.step
        self.clip, self.short_side = clip, short_side

    @override
    def read(self, indices: Sequence[int]) -> np.ndarray:
        return shrink(self.clip.read(indices), self.short_side)

    @override
    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        for frame in self.clip.in_order(indices):
            yield shrink(frame[None], self.short_side)[0]


class SmallerClips(Clips):
    """Clips whose frames are shrunk."""

    def __init__(self, clips: Clips, short_side: int):
        self.clips, self.short_side = clips, short_side

    def __len__(self) -> int:
        return len(self.clips)

    @override
    def name(self, clip: int) -> str:
        return self.clips.name(clip)

    @override
    def open(self, clip: int) -> Clip:
        return SmallerClip(self.clips.open(clip), self.short_side)

    @override
    def turn(self, seed: int, visit: int) -> int:
        return self.clips.turn(seed, visit)


def shrink(frames: np.ndarray, short_side: int | None) -> np.ndarray:
    """Shrink frames (n, H, W, 3) whose short side is larger, by averaging areas."""
    height, width = frames.shape[1:3]
    if short_side is None or min(height, width) <= short_side:
        return frames
    import cv2

    factor = short_side / min(height, width)
    size = (round(width * factor), round(height * factor))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
