"""Siamese Masked Autoencoder (Gupta et al., NeurIPS 2023): the method on one screen."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from siammae.model.decoders import Decoder
from siammae.model.draws import WHOLE, Draws, Part
from siammae.model.encoder import Encoder
from siammae.model.encoding import Encoding, SiameseEncoding
from siammae.model.heads import Head, Prediction
from siammae.model.masking import FrameMask, Masking, View
from siammae.model.patches import gather_tokens, normalise_patches, patchify


class Restored(NamedTuple):
    """One future frame: which patches were hidden, what is predicted of them, the loss (scalar)."""

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
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        head: Head,
        masking: Masking,
        encoding: Encoding | None = None,
    ):
        super().__init__()
        self.encoder, self.decoder, self.head, self.masking = encoder, decoder, head, masking
        self.encoding = SiameseEncoding() if encoding is None else encoding

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
            gap: (B, T - 1), frames from the given one to each of the others.
        """
        past, *futures = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        draws, grid = Draws(generator, frames.device, part), self._grid(frames)
        past_mask = self.masking.past(past.shape[0], grid, draws)
        memory = self.encoding.given(self.encoder, past, past_mask)
        targets, metrics = [], []
        for future in futures:
            mask = self.masking.future(View(past, future, grid, memory), draws)
            tokens = self.encoding(self.encoder, (past, future), (past_mask, mask), memory)
            restore = self.head.restore if self.training else self.head.predict
            prediction = restore(self.decoder, *tokens, past_mask, mask)
            target = normalise_patches(gather_tokens(future, mask.hidden))
            targets.append(Restored(mask, prediction, self.head.cost(prediction, target).mean()))
            metrics.append(self.head.metrics(prediction, target))
        loss = torch.stack([target.loss for target in targets]).mean()
        return Restoration(loss, past_mask, targets, _average(metrics))

    def _grid(self, frames: Tensor) -> tuple[int, int]:
        height, width = (side // self.encoder.patch_size for side in frames.shape[-2:])
        return height, width


def _average(metrics: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Over the future frames, all of which have the same names."""
    return {name: torch.stack([found[name] for found in metrics]).mean() for name in metrics[0]}
