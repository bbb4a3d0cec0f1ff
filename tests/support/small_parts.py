"""A small model and frames for it, of which every test of a method computes the same."""

import torch

from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean


def parts(decoder=CrossSelfDecoder, head=PixelMean):
    """Encoder, decoder and head for images of 4 x 4 patches, with the initial weights of seed 0."""
    torch.manual_seed(0)
    return {
        "encoder": Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        "decoder": decoder(32, 8, encoder_width=32, width=16, depth=2, heads=2),
        "head": head(width=16, patch_size=8),
    }


def frames(count=2, batch=3):
    """Samples of ``count`` frames, (batch, count, 3, 32, 32)."""
    return torch.randn(batch, count, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def generator():
    """The generator of the masks."""
    return torch.Generator().manual_seed(5)
