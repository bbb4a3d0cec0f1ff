"""Masking by the difference of the frames: the rival of estimates that takes no network."""

from torch import Tensor

from siammae.model.masking.strategies import View
from siammae.model.masking.weighted import WeightedMasking

TOWARD = {"moving": 1, "still": -1}


class MotionMasking(WeightedMasking):
    """A patch of the future frame weighs as much as its pixels differ from the past frame's there.

    The weight is the mean absolute difference of the normalised pixels, plus a floor.

    Args:
        ratio, temperature, random_share: see `WeightedMasking`.
        toward: ``moving`` hides patches that change, ``still`` those that do not.
        floor: above 0, in standard deviations of ImageNet's pixels. Differences below it are noise
            of camera and codec, and nothing that does not move would otherwise ever be hidden.
    """

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

    def log_weight(self, view: View) -> Tensor:
        """See `WeightedMasking`."""
        difference = (view.future.float() - view.past.float()).abs().mean(dim=-1)
        return (difference + self.floor).log()
