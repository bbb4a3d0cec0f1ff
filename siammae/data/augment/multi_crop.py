"""DINO's multi-crop: two large views and several small ones (Caron et al., 2021, section 3.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from siammae.data.augment.pair_augment import Drawn
from siammae.data.augment.views import Views

if TYPE_CHECKING:
    from torch import Tensor

    from siammae.data.sampling.batch import PairBatch

GLOBAL = 2  # large views; the others of a sample are small
LOCAL_OF_GLOBAL = 96 / 224  # a small view's side, as a share of a large one's


class MultiCrop(Views):
    """The first two views are large crops, all others small ones of another size in pixels.

    As in the authors' code the first view is blurred always, the second in a tenth of the cases and
    then perhaps solarised, a small one in half of them.

    Args:
        size: side of a large view in pixels.
        crop_scale: share of the frame's area that a large view takes.
        local_scale: that of a small view.
        local_size: side of a small view in pixels; None: 96 where ``size`` is 224, to the nearest
            multiple of ``patch_size``.
        patch_size: side of a patch in pixels, of which ``local_size`` is a multiple.
        solarise: probability for the second view.
        crop_ratio, flip, blur_sigma, colour, resize: see `Views`.
    """

    several_sizes: ClassVar = True

    def __init__(
        self,
        size: int,
        patch_size: int,
        crop_scale: Sequence[float] = (0.4, 1.0),
        local_scale: Sequence[float] = (0.05, 0.4),
        local_size: int | None = None,
        solarise: float = 0.2,
        **of_views: Any,
    ):
        super().__init__(size, crop_scale=crop_scale, blur=1.0, **of_views)
        if local_size is None:
            local_size = patch_size * max(1, round(size * LOCAL_OF_GLOBAL / patch_size))
        if local_size % patch_size:
            raise ValueError(
                f"local_size {local_size} is not a multiple of patch_size={patch_size}"
            )
        self.second = Views(size, crop_scale=crop_scale, blur=0.1, solarise=solarise, **of_views)
        self.local = Views(local_size, crop_scale=local_scale, blur=0.5, **of_views)

    @override
    def draw(self, rng: np.random.Generator, frames: int, height: int, width: int) -> Drawn:
        """Draw for the views of a sample, the two large ones first.

        Raises:
            ValueError: when there are fewer than two.
        """
        if frames < GLOBAL:
            raise ValueError(f"{frames} views: multi-crop takes {GLOBAL} large ones and any small")
        parts = [super().draw(rng, 1, height, width), self.second.draw(rng, 1, height, width)]
        if frames > GLOBAL:
            parts.append(self.local.draw(rng, frames - GLOBAL, height, width))
        boxes = [box for part in parts for box in part.boxes]
        flip, colour = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        return Drawn(boxes, flip, colour, np.concatenate([part.effects for part in parts]))

    @override
    def by_reader(
        self, parts: list[np.ndarray], flip: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        large, flip_large = super().by_reader(parts[:GLOBAL], flip[:GLOBAL])
        small, flip_small = self.local.by_reader(parts[GLOBAL:], flip[GLOBAL:])
        return large + small, np.concatenate([flip_large, flip_small])

    @override
    def sides(self, frames: int) -> list[tuple[int, int]]:
        small = [(frames - GLOBAL, self.local.size)] if frames > GLOBAL else []
        return [(GLOBAL, self.size), *small]

    @override
    def apply(self, batch: "PairBatch") -> "list[Tensor]":  # type: ignore[override]
        """Make normalised large views (B, 2, 3, S, S) and small ones (B, V, 3, s, s), if any."""
        large = super().apply(batch.of_frames(slice(GLOBAL)))
        if batch.frames.shape[1] == GLOBAL:
            return [large]
        small = batch.of_frames(slice(GLOBAL, None))
        if self.resize == "host":  # they lie in the corners of canvases for large ones
            side = self.local.size
            small.frames = small.frames[:, :, :side, :side]
        return [large, self.local.apply(small)]
