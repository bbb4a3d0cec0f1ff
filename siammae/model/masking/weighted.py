"""Masking that hides patches in proportion to a weight instead of uniformly."""

import torch
from torch import Tensor
from typing_extensions import override

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import Draws
from siammae.model.masking.base import Masking, split_by_rank
from siammae.model.pair import FrameMask, Pair

RESOLUTION = 2.0**-24  # of a uniform draw in float32; half of it stands for a zero


class WeightedMasking(Masking):
    """Base of the strategies that weigh the future frame's patches; the past frame stays whole.

    A share of the hidden patches is drawn uniformly, then the others one after the other, each in
    proportion to weight^(1 / temperature) among those that are left (Plackett-Luce). The ratio
    stays exact, the scale of the weights does not matter, and no gradient flows through the choice.

    A frame takes one draw a patch, as uniform masks do. At a share of 1 it gets exactly their
    masks, at an infinite temperature the same but for rounding.

    Args:
        ratio: share of the future frame's patches that is hidden, in (0, 1).
        temperature: above 0; 1 draws in proportion to the weights, more comes closer to uniform.
        random_share: share of the hidden patches that is drawn uniformly, in [0, 1], to the nearest
            whole patch.
        prefer: 1 hides patches of large weight, -1 those of small weight.
    """

    def __init__(self, ratio: float, temperature: float, random_share: float, prefer: int):
        super().__init__(ratio)
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}: must be above 0")
        if not 0 <= random_share <= 1:
            raise ValueError(f"random_share={random_share}: must be in [0, 1]")
        self.temperature, self.random_share, self.prefer = temperature, random_share, prefer

    def log_weight(self, pair: Pair) -> Tensor | None:
        """Return the logarithm of each patch's weight, (B, N), detached; None: all are equal."""
        raise NotImplementedError

    @override
    def future(self, pair: Pair, draws: Draws) -> FrameMask:
        batch, patches, _ = pair.future.shape
        uniform, visible = draws.rand(batch, patches), visible_count(patches, self.ratio)
        weight = self.log_weight(pair)
        if weight is None:
            return split_by_rank(uniform, visible)
        scores = weight.float() * (self.prefer / self.temperature)
        uniformly = round(self.random_share * (patches - visible))
        return split_by_rank(choice_keys(scores, uniform, uniformly), visible)


def choice_keys(scores: Tensor, uniform: Tensor, uniformly: int = 0) -> Tensor:
    """Return keys whose K largest are K patches drawn in proportion to exp(scores).

    The patches are drawn without replacement, by the Gumbel trick: the K largest of scores plus
    Gumbel noise are a Plackett-Luce sample (Kool et al., arXiv:1903.06059). The noise grows with
    ``uniform``, so that patches of equal weight are taken in its order.

    Args:
        scores: (B, N), logarithms of the weights.
        uniform: (B, N), random numbers in [0, 1).
        uniformly: number of patches that come first whatever their weight: those with the largest
            random numbers. The numbers of the others are then uniform below the least of those, so
            that they serve once more.
    """
    if uniformly:
        least = uniform.topk(uniformly, dim=1).values[:, -1:]
        first = uniform >= least
        uniform = uniform / least.clamp(min=RESOLUTION)
    uniform = uniform.clamp(RESOLUTION / 2, 1 - RESOLUTION)
    keys = scores - (-uniform.log()).log()
    return keys.masked_fill(first, torch.inf) if uniformly else keys
