"""What pairs are drawn from: clips that can be opened, and which of them is whose turn."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from typing_extensions import override

from siammae.data.reading.video import Clip, in_order, open_clip


class Clips(Protocol):
    """The clips of a data set, numbered from 0; sent to every reader, so it should be small."""

    def __len__(self) -> int: ...

    def name(self, clip: int) -> str:
        """What messages and tables call it."""

    def open(self, clip: int) -> Clip:
        """Ready to be read.

        Raises:
            DataError: when it cannot be.
        """

    def turn(self, seed: int, visit: int) -> int:
        """The clip of a visit; a run makes visits 0, 1, 2 and so on."""


class FileClips(Clips):
    """One file a clip, visited in a new random order in every pass.

    Args:
        paths: of the clips.
        short_side: of frames, see `shrink`.
    """

    def __init__(self, paths: Sequence[Path], short_side: int | None = None):
        self.paths, self.short_side = paths, short_side

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, clip: int) -> str:
        """Its path."""
        return str(self.paths[clip])

    @override
    def open(self, clip: int) -> Clip:
        return SmallerClip(open_clip(self.paths[clip]), self.short_side)

    @override
    def turn(self, seed: int, visit: int) -> int:
        return shuffled_turn(seed, visit, len(self))


def shuffled_turn(seed: int, visit: int, clips: int) -> int:
    """Each of ``clips`` once in every pass, in an order of its own."""
    return int(_order(seed, visit // clips, clips)[visit % clips])


@lru_cache(maxsize=16)  # the passes of a mixture's parts are under way at once
def _order(seed: int, turn: int, clips: int) -> np.ndarray:
    """The order of the clips in one pass."""
    return np.random.default_rng([seed, turn, 1 << 33]).permutation(clips)


class HeldClips(Clips):
    """Other clips, each decoded once by this process and then held in its memory."""

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
    """All frames of a clip, in memory."""

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

    def in_order(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See `video.in_order`."""
        for frame in in_order(self.clip, indices):
            yield shrink(frame[None], self.short_side)[0]


class SmallerClips(Clips):
    """Other clips, their frames shrunk."""

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
    """Frames (n, H, W, 3) with a larger short side, made smaller by area averaging."""
    height, width = frames.shape[1:3]
    if short_side is None or min(height, width) <= short_side:
        return frames
    import cv2

    factor = short_side / min(height, width)
    size = (round(width * factor), round(height * factor))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
