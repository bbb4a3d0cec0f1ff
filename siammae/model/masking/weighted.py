"""Patches that are hidden in proportion to a weight instead of uniformly."""

import torch
from torch import Tensor

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import Draws
from siammae.model.masking.strategies import FrameMask, Masking, View, split_by_rank

RESOLUTION = 2.0**-24  # of a uniform draw in float32; half of it stands for a zero


class WeightedMasking(Masking):
    """Base of the strategies that weigh the future frame's patches; the past frame stays whole.

    Of the hidden patches a share is drawn uniformly, then the others one after the other, each in
    proportion to weight^(1 / temperature) among those that are left (Plackett-Luce). The ratio
    stays exact, the scale of the weights does not matter, and no gradient flows through the choice.

    A frame takes one draw a patch, as uniform masks do, and gets their masks at a share of 1 and,
    but for rounding, at an infinite temperature.

    Args:
        ratio: share of the future frame's patches that is hidden, in (0, 1).
        temperature: above 0; 1 is in proportion to the weights, more comes closer to uniform.
        random_share: share of the hidden patches that is drawn uniformly, in [0, 1], to the nearest
            whole patch.
        prefer: 1 hides heavy patches, -1 light ones.
    """

    def __init__(self, ratio: float, temperature: float, random_share: float, prefer: int):
        super().__init__(ratio)
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}: must be above 0")
        if not 0 <= random_share <= 1:
            raise ValueError(f"random_share={random_share}: must be in [0, 1]")
        self.temperature, self.random_share, self.prefer = temperature, random_share, prefer

    def log_weight(self, view: View) -> Tensor | None:
        """The logarithm of each patch's weight, (B, N), detached; None: all weigh the same."""
        raise NotImplementedError

    def future(self, view: View, draws: Draws) -> FrameMask:
        """A fresh set in every sample and at every call, by weight."""
        batch, patches, _ = view.future.shape
        chance, visible = draws.rand(batch, patches), visible_count(patches, self.ratio)
        weight = self.log_weight(view)
        if weight is None:
            return split_by_rank(chance, visible)
        scores = weight.float() * (self.prefer / self.temperature)
        uniformly = round(self.random_share * (patches - visible))
        return split_by_rank(choice_keys(scores, chance, uniformly), visible)


def choice_keys(scores: Tensor, chance: Tensor, uniformly: int = 0) -> Tensor:
    """Keys whose K largest are K patches drawn without replacement in proportion to exp(scores).

    By the Gumbel trick: of scores plus Gumbel noise the K largest are a Plackett-Luce sample (Kool
    et al., arXiv:1903.06059). The noise grows with ``chance``, so patches of one weight are taken
    in its order.

    Args:
        scores: (B, N), logarithms of the weights.
        chance: (B, N), uniform in [0, 1).
        uniformly: so many, those with the largest chance, come first whatever they weigh. The
            others' chances are then uniform below the least of those, so they serve once more.
    """
    if uniformly:
        least = chance.topk(uniformly, dim=1).values[:, -1:]
        first = chance >= least
        chance = chance / least.clamp(min=RESOLUTION)
    chance = chance.clamp(RESOLUTION / 2, 1 - RESOLUTION)
    keys = scores - (-chance.log()).log()
    return keys.masked_fill(first, torch.inf) if uniformly else keys
