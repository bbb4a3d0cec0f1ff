"""Masks of whole frames, as the model asks a strategy for them."""

import torch

from siammae.model.batch_draws import WHOLE, Draws
from siammae.model.pair import Pair, PastFrame
from siammae.model.patches import patchify


def masks_of(strategy, frames, patch_size, generator=None, part=WHOLE):
    """One mask for each of the frames (B, T, C, H, W), past first, from one stream of draws."""
    past, *futures = (patchify(frame, patch_size) for frame in frames.unbind(1))
    grid = (frames.shape[-2] // patch_size, frames.shape[-1] // patch_size)
    draws = Draws(generator, torch.device("cpu"), part)
    first = PastFrame(past, grid, strategy.past(frames.shape[0], grid, draws))
    return [first.mask, *(strategy.future(Pair(first, future), draws) for future in futures)]
