"""What reading processes hand over: the samples of a clip, and a batch as it goes to the device."""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from siammae.system.errors import DataError


@dataclass
class PairBatch:
    """B samples of T frames each, the given frame first, as they come from the readers.

    frames: (B, T, H, W, 3) uint8; what was cut out of each frame lies in the upper left corner,
        zeros beyond it.
    size: (B, T, 2) int64, height and width of what was cut out in pixels.
    flip: (B, T) bool, whether to mirror it; False where the readers have done so.
    colour: (B, T, 4) float32, brightness, contrast, saturation and hue of each frame.
    angle: (B, T) float32, degrees counter-clockwise by which each frame's content is turned, after
        mirroring.
    gap: (B, T - 1) int64, frames of the video from the given frame to each of the others, whatever
        unit gaps are drawn in and however many frames are stored; negative for an earlier frame of
        the clip, and 0 where the given frame itself is seen again.
    clip: (B,) int64, index of the clip in its source.
    short: number of samples with a smaller gap than was drawn, because the clip is short.
    broken: clips that could not be read, with the reason; others were taken in their place.
    crop: (B, T, 2) int64, height and width of the crops in the middle of what was cut out, which
        have to be resampled; it stays on the host, see `resample`. None: all of it is the crop,
        and angles are quarter turns.
    upright: whether every angle is 0.
    effects: (B, T, 2) float32, blur and solarisation of each frame, see `draw_effects`; None: none.
    label: (B,) int64, the number of each clip's class; None: nobody asked for it.
    """

    frames: Tensor
    size: Tensor
    flip: Tensor
    colour: Tensor
    angle: Tensor
    gap: Tensor
    clip: Tensor
    short: int
    broken: dict[str, str]
    crop: Tensor | None = None
    upright: bool = False
    effects: Tensor | None = None
    label: Tensor | None = None

    def to(self, device: torch.device) -> "PairBatch":
        """Return the batch on another device."""
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        return replace(moved, crop=self.crop)

    def pin_memory(self) -> "PairBatch":
        """Return the batch in memory from which a GPU copies by itself."""
        return self._each(lambda tensor: tensor.pin_memory())

    def share_memory(self) -> "PairBatch":
        """Return the batch in memory that goes from process to process without a copy."""
        return self._each(lambda tensor: tensor.share_memory_())

    def of_frames(self, which: slice) -> "PairBatch":
        """Return the batch with some of each sample's frames; its gaps stay those of all."""
        names = ("frames", "size", "flip", "colour", "angle", "crop", "effects")
        parts = {name: getattr(self, name) for name in names}
        return replace(self, **{k: v[:, which] for k, v in parts.items() if v is not None})

    def _each(self, change: Any) -> "PairBatch":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {k: change(v) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)


class Sample(NamedTuple):
    """One sample as it is read: parts (h, w, 3) of T frames and what was drawn for them.

    The fields are those of `PairBatch` for one sample. ``crop`` (T, 2) is the height and width of
    each crop in the middle of its part; None when the part is the crop.
    """

    frames: list[np.ndarray]
    flip: np.ndarray
    colour: np.ndarray
    angle: np.ndarray
    gap: list[int]
    clip: int
    short: bool
    crop: np.ndarray | None = None
    effects: np.ndarray | None = None
    label: int | None = None


class Visit(NamedTuple):
    """What one visit to a clip gives: samples, and clips that could not be read."""

    samples: list[Sample]
    broken: dict[str, str]


def collate(visits: list[Visit]) -> PairBatch:
    """Make a batch of visits; parts of different sizes lie on a canvas of the largest.

    Raises:
        DataError: when no visit has a sample.
    """
    samples = [sample for visit in visits for sample in visit.samples]
    broken = {path: why for visit in visits for path, why in visit.broken.items()}
    if not samples:
        raise DataError("no clip could be read: " + "; ".join(list(broken.values())[:5]))
    size = np.array([[crop.shape[:2] for crop in sample.frames] for sample in samples])
    height, width = size.max(axis=(0, 1))
    canvas = np.zeros((len(samples), len(samples[0].frames), height, width, 3), np.uint8)
    for i, sample in enumerate(samples):
        for frame, crop in zip(canvas[i], sample.frames, strict=True):
            frame[: crop.shape[0], : crop.shape[1]] = crop
    angle = np.stack([sample.angle for sample in samples])
    effects = [sample.effects for sample in samples if sample.effects is not None]
    labels = [sample.label for sample in samples if sample.label is not None]
    inner = [sample.crop for sample in samples if sample.crop is not None]
    return PairBatch(
        frames=torch.from_numpy(canvas),
        size=torch.from_numpy(size),
        flip=torch.from_numpy(np.stack([sample.flip for sample in samples])),
        colour=torch.from_numpy(np.stack([sample.colour for sample in samples])),
        angle=torch.from_numpy(angle),
        gap=torch.tensor([sample.gap for sample in samples], dtype=torch.int64),
        clip=torch.tensor([sample.clip for sample in samples]),
        short=sum(sample.short for sample in samples),
        broken=broken,
        crop=torch.from_numpy(np.stack(inner)) if inner else None,
        upright=not angle.any(),
        effects=torch.from_numpy(np.stack(effects)) if effects else None,
        label=torch.tensor(labels) if labels else None,
    )
