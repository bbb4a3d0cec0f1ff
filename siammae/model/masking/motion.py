"""Masking by the difference of the frames: what smart masking achieves without a network."""

from torch import Tensor
from typing_extensions import override

from siammae.model.masking.weighted import WeightedMasking
from siammae.model.pair import Pair

TOWARD = {"moving": 1, "still": -1}


class MotionMasking(WeightedMasking):
    """A patch's weight is how much its pixels differ between the two frames.

    The weight is the mean absolute difference of the normalised pixels at the same place, plus a
    floor.

    Args:
        ratio, temperature, random_share: see `WeightedMasking`.
        toward: ``moving`` hides patches that change, ``still`` those that do not.
        floor: above 0, in standard deviations of ImageNet's pixels. Smaller differences are noise
            of camera and codec; without a floor nothing that stands still would ever be hidden.
    """

    compares_places = True

    def __init__(
        self,
        ratio: float,
        toward: str = "moving",
        temperature: float = 1.0,
        random_share: float = 0.5,
        floor: float = 0.02,
    ):
        if toward not in TOWARD:
            raise ValueError(f"toward={toward}: must be moving or still")
        if not floor > 0:
            raise ValueError(f"floor={floor}: must be above 0")
        super().__init__(ratio, temperature, random_share, TOWARD[toward])
        self.floor = floor

    @override
    def log_weight(self, pair: Pair) -> Tensor:
        difference = (pair.future.float() - pair.past.patches.float()).abs().mean(dim=-1)
        return (difference + self.floor).log()
