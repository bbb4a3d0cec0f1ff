"""The augmentation of a pair: drawn where clips are read, applied to pixels on the device.

The host only cuts out the crop, and what is around it where frames are turned. A whole batch is
resized by two batched matrix products with a matrix for each sample, which is exact antialiased
bicubic interpolation, so crops of any size go together. With ``resize: host`` the readers resize
and mirror instead, which pays where the device has less time to spare than they have.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from siammae.data.augment.colour import NEUTRAL, ColourJitter, jitter
from siammae.data.augment.geometry import Box, resize_and_flip, resize_matrices
from siammae.data.augment.rotate_frames import quarter_turns, resample

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.data.sampling.batch import PairBatch

PLACES = ("device", "host")


class Drawn(NamedTuple):
    """What was drawn for one pair.

    boxes: the crop of each frame. flip: (frames,) bool, whether it is mirrored.
    colour: (frames, 4), see `ColourJitter.draw`. effects: (frames, 2), see `draw_effects`, or None.
    """

    boxes: list[Box]
    flip: np.ndarray
    colour: np.ndarray
    effects: np.ndarray | None = None


class PairAugment:
    """Random resized crop and horizontal flip, alike for past and future (paper, Table 4a).

    Args:
        size: side of the square result in pixels.
        crop_scale: share of the frame's area that a crop takes, uniform in this range; None takes
            the largest centred square.
        crop_ratio: width / height of a crop, log-uniform in this range.
        flip: probability that a pair is mirrored, as a whole.
        shared_crop: whether all frames of a pair have the same crop. With a crop of its own for
            each frame there is the paper's spatial jitter.
        colour: colour jitter; None changes no colours.
        resize: where crops are resized and mirrored. ``device``: there, a batch at once, in floats.
            ``host``: by the readers, in bytes, so that ``size * size * 3`` bytes travel for each
            frame. Crops and flips are the same, and pixels are within rounding.
    """

    as_before: ClassVar = {"resize": "device"}  # of runs from before the key
    several_sizes: ClassVar = False  # whether `apply` makes a list of tensors, one for each size

    def __init__(
        self,
        size: int,
        crop_scale: Sequence[float] | None = (0.5, 1.0),
        crop_ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        shared_crop: bool = True,
        colour: ColourJitter | None = None,
        resize: str = "device",
    ):
        if crop_scale is not None and not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise ValueError(f"crop_scale {list(crop_scale)} must be [lo, hi], 0 < lo <= hi <= 1")
        if not 0 < crop_ratio[0] <= crop_ratio[1]:
            raise ValueError(f"crop_ratio {list(crop_ratio)} must be [lo, hi] with 0 < lo <= hi")
        if not 0 <= flip <= 1:
            raise ValueError(f"flip {flip} is no probability")
        if not isinstance(shared_crop, bool):
            raise ValueError(f"shared_crop={shared_crop!r} is neither true nor false")
        if resize not in PLACES:
            raise ValueError(f"resize '{resize}' is neither device nor host")
        self.resize = resize
        self.size, self.flip = size, flip
        # Plain numbers, with which a pair is drawn faster than with lists of a configuration.
        self.crop_scale = crop_scale and (float(crop_scale[0]), float(crop_scale[1]))
        self.crop_ratio = (float(crop_ratio[0]), float(crop_ratio[1]))
        self.log_ratio = tuple(float(end) for end in np.log(self.crop_ratio))
        self.shared_crop = shared_crop
        self.colour = colour if colour is not None and not colour.is_off else None

    def draw(self, rng: np.random.Generator, frames: int, height: int, width: int) -> Drawn:
        """Draw for one pair of ``frames`` frames of ``height`` x ``width`` pixels.

        Jitter is drawn from streams of its own. So with and without it a pair has the same flip and
        its first frame the same crop, and the same holds for every later pair.
        """
        flip = np.full(frames, rng.random() < self.flip)
        boxes = [self._box(rng, height, width)] * frames
        colour = np.array([NEUTRAL] * frames, np.float32)
        if self.shared_crop and self.colour is None:
            return Drawn(boxes, flip, colour)
        places, colours = rng.spawn(2)
        if not self.shared_crop:
            boxes[1:] = [self._box(places, height, width) for _ in range(1, frames)]
        if self.colour is not None:
            colour = self.colour.draw(colours, frames)
        return Drawn(boxes, flip, colour)

    def _box(self, rng: np.random.Generator, height: int, width: int) -> Box:
        if self.crop_scale is not None:
            for _ in range(10):  # as torchvision: a box that does not fit is drawn again
                area = height * width * rng.uniform(self.crop_scale[0], self.crop_scale[1])
                ratio = float(np.exp(rng.uniform(self.log_ratio[0], self.log_ratio[1])))
                w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
                if 0 < w <= width and 0 < h <= height:
                    top = int(rng.integers(0, height - h + 1))
                    left = int(rng.integers(0, width - w + 1))
                    return Box(top, left, h, w)
        side = min(height, width)
        return Box((height - side) // 2, (width - side) // 2, side, side)

    def by_reader(
        self, parts: list[np.ndarray], flip: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Return what travels to the device of a pair's crops, and which to mirror there."""
        if self.resize == "device":
            return parts, flip
        return resize_and_flip(parts, self.size, flip), np.zeros_like(flip)

    def sides(self, frames: int) -> list[tuple[int, int]]:
        """Return of each tensor that `apply` makes of samples of so many frames: frames, side."""
        return [(frames, self.size)]

    def apply(self, batch: "PairBatch") -> "Tensor":
        """Make normalised frames (B, T, 3, size, size), float32, of a batch, on its device.

        Each crop is mirrored, then turned; see `rotate_frames`.
        """
        from siammae.data.augment.normalising import normalise

        resized = self._square(batch).clamp_(0, 255) / 255
        if not batch.upright and batch.crop is None:
            resized = quarter_turns(resized, batch.angle)
        return normalise(self.finish(resized, batch))

    def finish(self, images: "Tensor", batch: "PairBatch") -> "Tensor":
        """Change the colours of resized crops (B, T, 3, size, size) in 0..1."""
        return images if self.colour is None else jitter(images, batch.colour)

    def _square(self, batch: "PairBatch") -> "Tensor":
        """Return frames (B, T, 3, size, size) in 0..255, which may overshoot."""
        if self.resize == "host":
            return batch.frames.permute(0, 1, 4, 2, 3).float()
        return self._resize(batch) if batch.crop is None else self._resample(batch, batch.crop)

    def _resize(self, batch: "PairBatch") -> "Tensor":
        """Resize and mirror crops that are all that was cut out; see `_square`."""
        import torch

        b, t, height, width, _ = batch.frames.shape
        alike = t if self.shared_crop else 1  # frames that have one matrix; B * T / alike = G
        pixels = batch.frames.permute(0, 1, 4, 2, 3).reshape(-1, alike * 3, height, width).float()
        sides = batch.size[:, ::alike].flatten(0, 1)  # (G, 2)
        rows = resize_matrices(sides[:, 0], height, self.size)  # (G, size, height)
        columns = resize_matrices(sides[:, 1], width, self.size)
        flip = batch.flip[:, ::alike].reshape(-1, 1, 1)
        columns = torch.where(flip, columns.flip(1), columns)
        resized = rows.unsqueeze(1) @ (pixels @ columns.transpose(1, 2).unsqueeze(1))
        return resized.view(b, t, 3, self.size, self.size)

    def _resample(self, batch: "PairBatch", crop: "Tensor") -> "Tensor":
        """Resize, mirror and turn crops (B, T, 2) in the middle of what was cut out."""
        b, t = batch.angle.shape
        turned = resample(
            batch.frames.permute(0, 1, 4, 2, 3).flatten(0, 1),
            batch.size.flatten(0, 1),
            crop.flatten(0, 1),
            batch.flip.flatten(),
            batch.angle.flatten(),
            self.size,
        )
        return turned.view(b, t, 3, self.size, self.size)
