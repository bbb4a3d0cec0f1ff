"""Visible patches in the loss: how much each counts, by its distance to what is hidden."""

import torch
from torch import Tensor, nn

from siammae.model.decoders import Decoder
from siammae.model.pair import FrameMask

NEARNESS_POWER = 0.5  # V-JEPA 2.1's


def check_visible_loss(weight: float, power: float, decoder: nn.Module) -> None:
    """Check the keys of a loss on visible patches, and that the decoder returns their tokens.

    Raises:
        ValueError: naming the key and what would be right.
    """
    if min(weight, power) < 0:
        raise ValueError("visible_loss and visible_loss_power must not be negative")
    if weight == 0 and power != NEARNESS_POWER:
        raise ValueError(
            f"visible_loss_power={power} does nothing without a loss on visible patches; set "
            "visible_loss, such as visible_loss=0.5, or leave it out"
        )
    if weight > 0 and not isinstance(decoder, Decoder):
        raise ValueError(
            f"visible_loss={weight} reads the tokens of one decoder; choose another uncertainty "
            "than ensemble, or visible_loss=0"
        )


def nearness(mask: FrameMask, columns: int, power: float) -> Tensor:
    """Return d^-power of each visible patch, (B, V) in (0, 1].

    d is the distance to the nearest hidden patch, from centre to centre in sides of a patch, and so
    at least 1. V-JEPA 2.1 (arXiv:2603.14482) has the power 0.5; with 0 all count alike.

    Args:
        mask: of frames of which a patch at least is hidden.
        columns: of the grid of patches.
        power: not below 0.
    """
    visible, hidden = (
        torch.stack([index // columns, index % columns], dim=-1).float() for index in mask
    )
    # As a matrix product the distances would be inexact, and differ between machines.
    distance = torch.cdist(visible, hidden, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.amin(dim=-1) ** -power
