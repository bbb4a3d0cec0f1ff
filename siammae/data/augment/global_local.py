"""Two crops of one frame, one inside the other (CropMAE, Eymael et al., ECCV 2024)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.data.augment.colour import NEUTRAL
from siammae.data.augment.geometry import Box
from siammae.data.augment.pair_augment import Drawn, PairAugment

VIEWS = ("global_to_local", "local_to_global", "random", "same")


class GlobalLocal(PairAugment):
    """A global crop and a local crop of it; one is given, the other is restored.

    Each is mirrored on its own, as in the authors' code. There the local crop is cut out of the
    resized global one; here both are resized from the frame, so the local one is not blurred twice.

    Args:
        size, crop_scale, crop_ratio, flip, colour, resize: see `PairAugment`; those of the global
            crop.
        local_scale: share of the global crop's area that the local one takes.
        views: ``global_to_local``: the local crop is restored from the global one (the paper's
            default); ``local_to_global``: the other way round; ``random``: two global crops, each
            drawn on its own; ``same``: a global crop is restored from itself.
    """

    def __init__(
        self,
        size: int,
        local_scale: Sequence[float] = (0.3, 0.6),
        views: str = "global_to_local",
        **of_pairs: Any,
    ):
        super().__init__(size, shared_crop=False, **of_pairs)
        if not 0 < local_scale[0] <= local_scale[1] <= 1:
            raise ValueError(f"local_scale {list(local_scale)} must be [lo, hi], 0 < lo <= hi <= 1")
        if views not in VIEWS:
            raise ValueError(f"views '{views}' is none of {', '.join(VIEWS)}")
        self.local_scale = (float(local_scale[0]), float(local_scale[1]))
        self.views = views

    @override
    def draw(self, rng: np.random.Generator, frames: int, height: int, width: int) -> Drawn:
        """Draw for the two views of a frame, the given one first.

        Raises:
            ValueError: when there are not two.
        """
        if frames != 2:
            raise ValueError(f"{frames} views: a global and a local crop are two")
        flip = rng.random(2) < self.flip
        large = self._box(rng, height, width)
        if self.views == "same":
            small, flip[1] = large, flip[0]
        elif self.views == "random":
            small = self._box(rng, height, width)
        else:
            small = self._inside(rng, large)
        boxes = [small, large] if self.views == "local_to_global" else [large, small]
        if self.colour is None:
            return Drawn(boxes, flip, np.array([NEUTRAL] * 2, np.float32))
        return Drawn(boxes, flip, self.colour.draw(rng, 2))

    def _inside(self, rng: np.random.Generator, box: Box) -> Box:
        """Draw a part of a box; share and ratio are those in the square that it is resized to."""
        area = rng.uniform(*self.local_scale)
        ratio = math.exp(rng.uniform(self.log_ratio[0], self.log_ratio[1]))
        height = max(1, round(box.height * min(1.0, math.sqrt(area / ratio))))
        width = max(1, round(box.width * min(1.0, math.sqrt(area * ratio))))
        top = box.top + int(rng.integers(0, box.height - height + 1))
        left = box.left + int(rng.integers(0, box.width - width + 1))
        return Box(top, left, height, width)
