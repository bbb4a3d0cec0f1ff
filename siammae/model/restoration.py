"""What one forward pass gives, and what is told of it beside the loss."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from siammae.model.heads import Prediction
from siammae.model.masking.strategies import FrameMask


class Restored(NamedTuple):
    """One future frame.

    mask: which patches were hidden. prediction: of them. loss: scalar, whatever the frame counts
    beside others. metrics: what the head tells beside it.
    """

    mask: FrameMask
    prediction: Prediction
    loss: Tensor
    metrics: dict[str, Tensor]


class Restoration(NamedTuple):
    """All frames of one pass.

    loss: scalar. past: which patches of the past frame were visible. targets: the future frames.
    metrics: scalars to be logged beside the loss, by the names of their rows, the same in every
    step of a run. aside: scalar that the masking's own parameters minimise; no part of the loss.
    """

    loss: Tensor
    past: FrameMask
    targets: list[Restored]
    metrics: dict[str, Tensor]
    aside: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """What is back-propagated."""
        return self.loss if self.aside is None else self.loss + self.aside


def told(
    targets: Sequence[Restored], gap: Tensor | None, aside: Tensor | None
) -> dict[str, Tensor]:
    """Rows of metrics: the head's, over all frames; of several frames each one's loss and mean gap
    in frames; what the masking minimises."""
    names = targets[0].metrics
    rows = {name: torch.stack([t.metrics[name] for t in targets]).mean() for name in names}
    if len(targets) > 1:
        rows |= {f"train/loss_target_{i}": t.loss for i, t in enumerate(targets, start=1)}
        if gap is not None:
            means = gap.float().mean(dim=0)
            rows |= {f"train/gap_target_{i}": mean for i, mean in enumerate(means, start=1)}
    if aside is not None:
        rows["train/probe_loss"] = aside.detach()
    return rows
