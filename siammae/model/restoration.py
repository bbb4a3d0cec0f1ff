"""What one forward pass of the model returns."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from siammae.model.heads import Prediction
from siammae.model.pair import FrameMask


class RestoredFrame(NamedTuple):
    """One future frame after a forward pass.

    Attributes:
        mask: which patches were hidden.
        prediction: of those patches.
        loss: scalar, the mean cost of all hidden pixels, every sample counting alike.
        metrics: scalars of the head, logged beside the loss.
        weighted_loss: scalar, the same with each sample's weight and with what else counts; None
            when there is neither.
        masking_loss: scalar that the masking's own parameters minimise; None when it has none.
    """

    mask: FrameMask
    prediction: Prediction
    loss: Tensor
    metrics: dict[str, Tensor]
    weighted_loss: Tensor | None = None
    masking_loss: Tensor | None = None

    @property
    def counted(self) -> Tensor:
        """The loss that counts, weighted where there are weights."""
        return self.loss if self.weighted_loss is None else self.weighted_loss


class Restoration(NamedTuple):
    """All frames of one forward pass.

    Attributes:
        loss: scalar, the mean of the future frames' weighted losses.
        past: which patches of the past frame were visible; None where there is none.
        targets: the future frames.
        metrics: scalars to log beside the loss, by the names of their columns, which are the same
            in every step of a run.
        masking_loss: scalar that the masking's own parameters minimise, no part of the loss.
    """

    loss: Tensor
    past: FrameMask | None
    targets: list[RestoredFrame]
    metrics: dict[str, Tensor]
    masking_loss: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """The scalar that is back-propagated."""
        return self.loss if self.masking_loss is None else self.loss + self.masking_loss

    @classmethod
    def of(
        cls, targets: list[RestoredFrame], past: FrameMask | None, gap: Tensor | None
    ) -> "Restoration":
        """Average over the future frames; ``gap`` (B, T - 1) is logged where there are several."""
        own = [target.masking_loss for target in targets if target.masking_loss is not None]
        masking_loss = torch.stack(own).mean() if own else None
        metrics = _metrics(targets, gap, masking_loss)
        loss = torch.stack([target.counted for target in targets]).mean()
        return cls(loss, past, targets, metrics, masking_loss)


def _metrics(
    targets: Sequence[RestoredFrame], gap: Tensor | None, masking_loss: Tensor | None
) -> dict[str, Tensor]:
    """Return the head's metrics, averaged over the frames, each of several frames' loss and mean
    gap, and the masking's loss."""
    names = targets[0].metrics
    metrics = {name: torch.stack([t.metrics[name] for t in targets]).mean() for name in names}
    if len(targets) > 1:
        metrics |= {f"train/loss_target_{i}": t.loss for i, t in enumerate(targets, start=1)}
        if gap is not None:
            means = gap.float().mean(dim=0)
            metrics |= {f"train/gap_target_{i}": mean for i, mean in enumerate(means, start=1)}
    if masking_loss is not None:
        metrics["train/probe_loss"] = masking_loss.detach()
    return metrics
