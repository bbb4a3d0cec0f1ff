"""Siamese Masked Autoencoder (Gupta et al., NeurIPS 2023): the method on one screen."""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from siammae.model.batch_draws import WHOLE, Draws, Part
from siammae.model.decoders import Decoder, Kept
from siammae.model.encoder import Encoder
from siammae.model.encoding import Encoding, SiameseEncoding
from siammae.model.gap_embedding import gap_weights
from siammae.model.heads import Head
from siammae.model.masking.strategies import FrameMask, Masking, View, all_hidden
from siammae.model.patches import gather_tokens, normalise_patches, patchify
from siammae.model.restoration import Restoration, Restored, told


class Given(NamedTuple):
    """The past frame: patches (B, N, P), their split, tokens (B, 1 + V, D) or None when they are
    encoded with each future frame, and what the decoder makes of it once for all of those."""

    patches: Tensor
    mask: FrameMask
    memory: Tensor | None
    kept: Kept | None


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
        masking.attach(decoder, head)

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
        given = Given(past, past_mask, memory, None if memory is None else {})
        whens, weights = self._of_gaps(gap, len(futures))

        targets, losses, lessons = [], [], []
        for number, future in enumerate(futures):
            inputs = partial(self._inputs, given, future, whens[number])
            view = View(past, future, grid, memory, inputs)
            blind = self.predict and number == len(futures) - 1
            mask = all_hidden(view) if blind else self.masking.future(view, draws)
            restore = self.head.restore if self.training else self.head.predict
            prediction = restore(self.decoder, *inputs(mask))

            target = normalise_patches(gather_tokens(future, mask.hidden))
            cost = self.head.cost(prediction, target)
            metrics = self.head.metrics(prediction, target)
            targets.append(Restored(mask, prediction, cost.mean(), metrics))
            losses.append(targets[-1].loss if weights is None else _mean(cost, weights[:, number]))
            if self.training and self.masking.learns:
                error = (prediction.mean.detach().float() - target).square().mean(dim=-1)
                lessons.append(self.masking.learn(view, mask, error))
        aside = torch.stack(lessons).mean() if lessons else None
        loss = torch.stack(losses).mean()
        return Restoration(loss, past_mask, targets, told(targets, gap, aside), aside)

    def restoring(self) -> list[nn.Parameter]:
        """All parameters but the masking's own, whose gradients have another scale."""
        own = {id(parameter) for parameter in self.masking.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def _inputs(
        self, given: Given, future: Tensor, when: Tensor | None, mask: FrameMask
    ) -> tuple[Any, ...]:
        """What the decoder is called with when ``mask`` hides the future frame."""
        pair, masks = (given.patches, future), (given.mask, mask)
        tokens = self.encoding(self.encoder, pair, masks, given.memory)
        return (*tokens, *masks, when, given.kept)

    def _of_gaps(self, gap: Tensor | None, count: int) -> tuple[list[Tensor | None], Tensor | None]:
        """What the decoder is told of each future frame's gap, and what each counts, (B, T - 1)."""
        embed, weighted = self.gap_embedding, self.loss_gap_power != 0
        if gap is None:
            if embed is not None or weighted:
                raise ValueError("the gap embedding and the weights of the loss need a gap")
            return [None] * count, None
        whens = [None if embed is None else embed(one) for one in gap.unbind(1)]
        return whens, gap_weights(gap, self.loss_gap_power) if weighted else None

    def _grid(self, frames: Tensor) -> tuple[int, int]:
        height, width = (side // self.encoder.patch_size for side in frames.shape[-2:])
        return height, width


def _mean(cost: Tensor, weights: Tensor) -> Tensor:
    """The mean of costs (B, H, P), each sample counting as its weight (B,)."""
    return (cost.flatten(1).mean(dim=1) * weights).mean()
