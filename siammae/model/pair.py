"""A past frame and a future one on their way through the model."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

PastCache = dict[nn.Module, Tensor]
"""What each decoder computed from a past frame alone, kept for the next future frame."""


class FrameMask(NamedTuple):
    """The split of one frame's N patches into visible and hidden ones, for every sample.

    Attributes:
        visible: (B, V) int64, ascending indices of the patches that the encoder sees.
        hidden: (B, H) int64, ascending indices of the H = N - V patches to restore.
    """

    visible: Tensor
    hidden: Tensor

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.hidden.shape[1] == 0


class PastFrame(NamedTuple):
    """The given frame, from which all future frames are restored.

    Attributes:
        patches: (B, N, P), its pixels cut into patches.
        grid: rows and columns of the N patches.
        mask: which of them are visible: all, except with symmetric masking.
        tokens: (B, 1 + V, D), its encoded tokens, CLS first; None when it is encoded together with
            each future frame (`JointEncoding`).
        cache: what decoders computed from it; None when they shall not keep anything.
    """

    patches: Tensor
    grid: tuple[int, int]
    mask: FrameMask
    tokens: Tensor | None = None
    cache: PastCache | None = None


class Target(NamedTuple):
    """What distinguishes one of several future frames from the others.

    Attributes:
        gap_embedding: (B, 1, D), added to its tokens in the decoder; None adds nothing.
        loss_weight: (B,), its share in each sample's loss; None when all frames count alike.
        hide_all: whether all its patches are hidden, whatever the masking.
        number: which of the future frames it is, from 0.
    """

    gap_embedding: Tensor | None = None
    loss_weight: Tensor | None = None
    hide_all: bool = False
    number: int = 0

    def weigh(self, cost: Tensor) -> Tensor | None:
        """Return the mean of costs (B, H, P) with each sample's weight; None without weights."""
        if self.loss_weight is None:
            return None
        return (cost.flatten(1).mean(dim=1) * self.loss_weight).mean()


class Latent(NamedTuple):
    """Both frames as the encoder leaves them; exactly what a decoder is called with.

    Attributes:
        past, future: (B, 1 + V, D), encoded tokens of each frame's visible patches, CLS first.
        past_mask, future_mask: the split of each frame.
        gap_embedding: see `Target`.
        past_cache: see `PastFrame`.
    """

    past: Tensor
    future: Tensor
    past_mask: FrameMask
    future_mask: FrameMask
    gap_embedding: Tensor | None = None
    past_cache: PastCache | None = None

    def detach(self) -> "Latent":
        """Return the same without gradients."""
        return Latent(*(v.detach() if isinstance(v, Tensor) else v for v in self))  # type: ignore[arg-type]


class Pair(NamedTuple):
    """The past frame and one future frame, before patches of the latter are hidden.

    Attributes:
        past: the given frame.
        future: (B, N, P), patches of the frame to restore.
        target: what distinguishes that frame from other future frames.
        encode: `SiamMAE.encode`; None where no model is at hand.
    """

    past: PastFrame
    future: Tensor
    target: Target = Target()
    encode: "Callable[[Pair, FrameMask], Latent] | None" = None

    def all_hidden(self) -> FrameMask:
        """Return the mask that shows nothing of the future frame, so that it is predicted."""
        batch, count, _ = self.future.shape
        patches = torch.arange(count, device=self.future.device).expand(batch, -1)
        return FrameMask(patches[:, :0], patches)
