"""Views of a frame or of a clip for methods that compare them: SimCLR's, and DINO's multi-crop."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.data.augment.colour import NEUTRAL
from siammae.data.augment.effects import apply_effects, draw_effects
from siammae.data.augment.pair_augment import Drawn, PairAugment

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.data.sampling.batch import PairBatch


class Views(PairAugment):
    """A crop, a flip, colours and a blur of its own for each view (Chen et al., 2020, appendix A).

    Args:
        size, crop_scale, crop_ratio, flip, colour, resize: see `PairAugment`.
        blur: probability that a view is blurred.
        blur_sigma: range of the Gaussian's standard deviation in pixels of the result.
        solarise: probability that a view is solarised.
    """

    def __init__(
        self,
        size: int,
        blur: float = 0.5,
        blur_sigma: Sequence[float] = (0.1, 2.0),
        solarise: float = 0.0,
        **of_pairs: Any,
    ):
        super().__init__(size, shared_crop=False, **of_pairs)
        for name, value in (("blur", blur), ("solarise", solarise)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} {value} is no probability")
        if not 0 < blur_sigma[0] <= blur_sigma[1]:
            raise ValueError(f"blur_sigma {list(blur_sigma)} must be [lo, hi] with 0 < lo <= hi")
        self.blur, self.solarise = blur, solarise
        self.blur_sigma = (float(blur_sigma[0]), float(blur_sigma[1]))

    @override
    def draw(self, rng: np.random.Generator, frames: int, height: int, width: int) -> Drawn:
        """Draw for each view on its own, whether they are one frame or several."""
        boxes = [self._box(rng, height, width) for _ in range(frames)]
        flip = rng.random(frames) < self.flip
        colour = np.array([NEUTRAL] * frames, np.float32)
        if self.colour is not None:
            colour = self.colour.draw(rng, frames)
        effects = [
            draw_effects(rng, self.blur, self.blur_sigma, self.solarise) for _ in range(frames)
        ]
        return Drawn(boxes, flip, colour, np.stack(effects))

    @override
    def finish(self, images: "Tensor", batch: "PairBatch") -> "Tensor":
        images = super().finish(images, batch)
        if batch.effects is None:
            return images
        return apply_effects(images, batch.effects, blurs=self.blur > 0)
