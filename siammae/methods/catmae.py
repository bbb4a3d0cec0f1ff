"""Concatenated Masked Autoencoders (Jiang et al., 2023): each frame is restored from all before it.

It is SiamMAE with several future frames in a row. What is visible of a restored frame joins the
keys of those after it, so that they see some of the way between the past frame and themselves.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor
from typing_extensions import override

from siammae.methods.several_keys import SeveralKeys
from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.heads import Prediction
from siammae.model.pair import FrameMask, Pair, PastFrame
from siammae.model.restoration import Restoration, RestoredFrame


class CatMAE(SeveralKeys):
    """Restores each future frame from the past frame and the visible patches of those between.

    Args:
        weights: of each future frame's loss; their sum is the loss. 0.8 and 1 in the authors'
            recipe. There are as many future frames as weights.
        parts: see `SiamMAE`. The decoder is one with cross-attention.
    """

    fits: ClassVar = "catmae, cross_self or cross"

    def __init__(self, weights: Sequence[float] = (0.8, 1.0), **parts: object):
        if not weights or min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(f"weights {list(weights)} must not be negative, and one above 0")
        super().__init__(**parts)
        self.weights, self.frames = tuple(weights), 1 + len(weights)
        self.tell_apart(len(weights))  # the past frame, and each that others follow

    @override
    def forward(
        self,
        frames: Tensor,
        generator: Generator | None = None,
        part: Part = WHOLE,
        gap: Tensor | None = None,
    ) -> Restoration:
        """See `SiamMAE.forward`; the frames are in the order in which each is restored.

        Raises:
            ValueError: when there are more future frames than weights.
        """
        if frames.shape[1] > 1 + len(self.weights):
            raise ValueError(f"{frames.shape[1] - 1} future frames and {len(self.weights)} weights")
        return super().forward(frames, generator, part, gap)

    @override
    def forward_past(self, patches: Tensor, grid: tuple[int, int], draws: Draws) -> PastFrame:
        """Encode the past frame; its keys and values are the first in the decoder's cache."""
        past = super().forward_past(patches, grid, draws)
        assert past.tokens is not None
        assert past.cache is not None
        past.cache[self.decoder] = self.keys_values(past.tokens, past.mask, 0)
        return past

    @override
    def restore(self, pair: Pair, draws: Draws) -> RestoredFrame:
        """Restore one future frame; what is visible of it joins the keys for those after it."""
        latent, mask = self.forward_encoder(pair, draws)
        restored = self.forward_loss(pair, self.forward_decoder(latent), mask)
        cache, following = pair.past.cache, pair.target.number + 1
        if following < len(self.weights):
            assert cache is not None
            own = self.keys_values(latent.future, mask, following)
            cache[self.decoder] = torch.cat([cache[self.decoder], own], dim=-2)
        return restored

    @override
    def forward_loss(self, pair: Pair, prediction: Prediction, mask: FrameMask) -> RestoredFrame:
        """Weigh what the frame costs, such that the mean over the frames is the weighted sum."""
        restored = super().forward_loss(pair, prediction, mask)
        weight = len(self.weights) * self.weights[pair.target.number]
        return restored._replace(weighted_loss=weight * restored.counted)
