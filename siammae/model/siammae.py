"""Siamese Masked Autoencoder (Gupta et al., NeurIPS 2023): the method on one screen."""

from typing import NamedTuple

from torch import Generator, Tensor, nn

from siammae.model.decoders import Decoder
from siammae.model.draws import WHOLE, Part
from siammae.model.encoder import Encoder
from siammae.model.encoding import Encoding, SiameseEncoding
from siammae.model.heads import PixelMean
from siammae.model.masking import FrameMask, Masking
from siammae.model.patches import gather_tokens, normalise_patches, patchify


class Restoration(NamedTuple):
    """What one forward pass gives.

    loss: scalar. prediction: (B, H, P), normalised pixels of the future frame's hidden patches.
    past, future: which patches were visible and which hidden.
    """

    loss: Tensor
    prediction: Tensor
    past: FrameMask
    future: FrameMask


class SiamMAE(nn.Module):
    """Restores the hidden patches of a future frame from a past frame.

    Args:
        encoder: the shared ViT.
        decoder: cross-self, cross or joint.
        head: decoded tokens to pixels, and the loss.
        masking: which patches are hidden.
        encoding: siamese, the paper's default and that of None, or joint.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        head: PixelMean,
        masking: Masking,
        encoding: Encoding | None = None,
    ):
        super().__init__()
        self.encoder, self.decoder, self.head, self.masking = encoder, decoder, head, masking
        self.encoding = SiameseEncoding() if encoding is None else encoding

    def forward(
        self, frames: Tensor, generator: Generator | None = None, part: Part = WHOLE
    ) -> Restoration:
        """Frames (B, 2, 3, H, W), past first, normalised; ``generator`` draws what is hidden.

        The first is the frame that is given and the second the one that is restored: data that
        gives the later frame first trains the past from the future. They may be a ``part`` of a
        step's batch, whose hidden patches do not depend on the split.
        """
        past, future = (patchify(frame, self.encoder.patch_size) for frame in frames.unbind(1))
        past_mask, future_mask = self.masking(frames, self.encoder.patch_size, generator, part)

        memory, visible = self.encoding(self.encoder, (past, future), (past_mask, future_mask))
        decoded = self.decoder(memory, visible, past_mask, future_mask)
        prediction = self.head(decoded)

        target = normalise_patches(gather_tokens(future, future_mask.hidden))
        return Restoration(self.head.loss(prediction, target), prediction, past_mask, future_mask)
