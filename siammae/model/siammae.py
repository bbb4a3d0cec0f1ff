"""Siamese Masked Autoencoder (Gupta et al., NeurIPS 2023): the method on one screen."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from siammae.model.decoders import Decoder, Kept
from siammae.model.draws import WHOLE, Draws, Part
from siammae.model.encoder import Encoder
from siammae.model.encoding import Encoding, SiameseEncoding
from siammae.model.gaps import gap_weights
from siammae.model.heads import Head, Prediction
from siammae.model.masking import FrameMask, Masking, View
from siammae.model.patches import gather_tokens, normalise_patches, patchify


class Restored(NamedTuple):
    """One future frame.

    mask: which patches were hidden. prediction: of them. loss: scalar, whatever the frame counts
    beside others.
    """

    mask: FrameMask
    prediction: Prediction
    loss: Tensor


class Restoration(NamedTuple):
    """What one forward pass gives.

    loss: scalar. past: which patches of the past frame were visible. targets: the future frames.
    metrics: scalars to be logged beside the loss, by the names of their rows, the same in every
    step of a run.
    """

    loss: Tensor
    past: FrameMask
    targets: list[Restored]
    metrics: dict[str, Tensor]


class SiamMAE(nn.Module):
    """Restores the hidden patches of a future frame, or of several, from a past frame.

    Args:
        encoder: the shared ViT.
        decoder: cross-self, cross or joint.
        head: decoded tokens to pixels, and what they cost.
        masking: which patches are hidden.
        encoding: siamese, the paper's default and that of None, or joint.
        gap_embedding: gaps (B,) to what the decoder adds to a future frame's tokens, (B, 1, D).
        loss_gap_power: see `gap_weights`.
        predict: hide all patches of the last future frame, whatever the masking.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        head: Head,
        masking: Masking,
        encoding: Encoding | None = None,
        gap_embedding: nn.Module | None = None,
        loss_gap_power: float = 0.0,
        predict: bool = False,
    ):
        super().__init__()
        self.encoder, self.decoder, self.head, self.masking = encoder, decoder, head, masking
        self.encoding = SiameseEncoding() if encoding is None else encoding
        self.gap_embedding, self.loss_gap_power = gap_embedding, loss_gap_power
        self.predict = predict

    def forward(
        self,
        frames: Tensor,
        generator: Generator | None = None,
        part: Part = WHOLE,
        gap: Tensor | None = None,
    ) -> Restoration:
        """Restore what is hidden of every frame but the first.

        In training mode the head sees one pass of the decoder; in evaluation mode it gives its
        spread as well, however many passes that takes.

        Args:
            frames: (B, T, 3, H, W), normalised, the given one first: data that gives the later
                frame first trains the past from the future.
            generator: draws what is hidden.
            part: which part of a step's batch these frames are; what is hidden does not depend on
                the split.
            gap: (B, T - 1), frames from the given one to each of the others, negative for earlier
                ones.

        Raises:
            ValueError: when there is no gap and an embedding or the weights of the loss need one.
        """
        past, *futures = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        draws, grid = Draws(generator, frames.device, part), self._grid(frames)
        past_mask = self.masking.past(past.shape[0], grid, draws)
        memory = self.encoding.given(self.encoder, past, past_mask)
        kept: Kept | None = None if memory is None else {}
        whens, weights = self._told(gap, len(futures))
        targets, losses = [], []
        for number, future in enumerate(futures):
            last = number == len(futures) - 1
            mask = self._mask(View(past, future, grid, memory), draws, last)
            tokens = self.encoding(self.encoder, (past, future), (past_mask, mask), memory)
            restore = self.head.restore if self.training else self.head.predict
            prediction = restore(self.decoder, *tokens, past_mask, mask, whens[number], kept)
            target = normalise_patches(gather_tokens(future, mask.hidden))
            cost = self.head.cost(prediction, target)
            targets.append(Restored(mask, prediction, cost.mean()))
            losses.append(targets[-1].loss if weights is None else _weighted(cost, weights[number]))
        loss = torch.stack(losses).mean()
        return Restoration(loss, past_mask, targets, _by_target(targets, gap))

    def _grid(self, frames: Tensor) -> tuple[int, int]:
        height, width = (side // self.encoder.patch_size for side in frames.shape[-2:])
        return height, width

    def _mask(self, view: View, draws: Draws, last: bool) -> FrameMask:
        """By the strategy, unless the frame is to be predicted from the past alone."""
        if not (last and self.predict):
            return self.masking.future(view, draws)
        batch, count, _ = view.future.shape
        patches = torch.arange(count, device=view.future.device).expand(batch, -1)
        return FrameMask(patches[:, :0], patches)

    def _told(
        self, gap: Tensor | None, count: int
    ) -> tuple[Sequence[Tensor | None], Sequence[Tensor] | None]:
        """What the decoder is told of each frame's gap, and how much each frame counts, (B,)."""
        weighted = self.loss_gap_power != 0
        if gap is None:
            if self.gap_embedding is not None or weighted:
                raise ValueError("the gap embedding and the weights of the loss need a gap")
            return [None] * count, None
        embed = self.gap_embedding
        whens = [None if embed is None else embed(one) for one in gap.unbind(1)]
        weights = gap_weights(gap, self.loss_gap_power).unbind(1) if weighted else None
        return whens, weights


def _weighted(cost: Tensor, weights: Tensor) -> Tensor:
    """The mean of costs (B, H, P), each sample counting as its weight (B,)."""
    return (cost.flatten(1).mean(dim=1) * weights).mean()


def _by_target(targets: list[Restored], gap: Tensor | None) -> dict[str, Tensor]:
    """Rows of metrics for each of several future frames: its loss and its mean gap in frames."""
    if len(targets) == 1:
        return {}
    found = {f"train/loss_target_{i}": t.loss for i, t in enumerate(targets, start=1)}
    if gap is not None:
        means = gap.float().mean(dim=0)
        found |= {f"train/gap_target_{i}": mean for i, mean in enumerate(means, start=1)}
    return found
