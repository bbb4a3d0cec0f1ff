"""An augmentation that leaves frames as they are read, so that their numbers can be seen."""

from siammae.data.augment.geometry import Box
from siammae.data.augment.pair_augment import Drawn, PairAugment


class Whole(PairAugment):
    """Crops and flips nothing."""

    def draw(self, rng, frames, height, width):
        drawn = super().draw(rng, frames, height, width)
        return Drawn([Box(0, 0, height, width)] * frames, False, drawn.colour)
