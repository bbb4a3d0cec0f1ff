"""What methods share whose decoder attends to several frames at once."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossDecoder
from siammae.model.pair import FrameMask


class SeveralKeys(SiamMAE):
    """Base of methods that take keys and values of the cross-attention from several frames.

    A subclass puts them together in the decoder's cache of the past frame, where the decoder finds
    them in the place of those of one frame.

    Args:
        parts: see `SiamMAE`. The decoder is one with cross-attention.

    Attributes:
        fits: the decoders that an error proposes.
        frame_vectors: (frames, 1, 1, D), by which the decoder tells the frames among the keys
            apart; a subclass makes them with `tell_apart`.
    """

    fits: ClassVar = "cross_self or cross"

    decoder: CrossDecoder
    frame_vectors: nn.Parameter

    def __init__(self, **parts: object):
        super().__init__(**parts)  # type: ignore[arg-type]
        name = type(self).__name__
        if not isinstance(self.decoder, CrossDecoder):
            raise ValueError(
                f"{name} adds frames to the keys of a cross-attention; choose decoder={self.fits}, "
                "and uncertainty=none"
            )
        if not self.encoding.encodes_past_alone:
            raise ValueError(
                f"{name} encodes each frame alone, as it has several keys; choose encoding=siamese"
            )

    def tell_apart(self, frames: int) -> None:
        """Draw a learned vector for each frame that can be among the keys."""
        self.frame_vectors = nn.Parameter(torch.empty(frames, 1, 1, self.decoder.width))
        nn.init.normal_(self.frame_vectors, std=0.02)

    def keys_values(self, tokens: Tensor, mask: FrameMask, number: int) -> Tensor:
        """Return keys and values (layers, 2, B, heads, M, d) of a frame's encoded tokens.

        Args:
            tokens: (B, 1 + V, encoder_width), CLS first.
            mask: which patches they are.
            number: which of the frames among the keys it is, from 0.
        """
        memory = self.decoder.memory(tokens, mask) + self.frame_vectors[number]
        return self.decoder.keys_values(memory)
