"""How the frames of a pair go through the encoder: each on its own, or in one sequence.

Both options run the same ViT, whose parameters keep timm's names, and give tokens that every
decoder takes. What joins the frames has parameters of its own, outside of the encoder.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.encoder import Encoder
from siammae.model.pair import FrameMask


class Encoding(nn.Module):
    """Base of the ways to encode a pair of a past and a future frame.

    encodes_past_alone: whether the past frame is encoded without the future frames.
    """

    encodes_past_alone: bool = False

    def encode_past(self, encoder: Encoder, patches: Tensor, mask: FrameMask) -> Tensor | None:
        """Encode the past frame (B, N, P) once for all future frames.

        Returns:
            (B, 1 + V, D), or None when it is encoded together with each future frame.
        """
        return None

    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        past_tokens: Tensor | None = None,
    ) -> list[Tensor]:
        """Encode the visible patches of both frames.

        Args:
            encoder: the ViT.
            patches: (B, N, P) of each frame.
            masks: the split of each frame; hidden patches never enter the encoder.
            past_tokens: what `encode_past` returned for the first frame.

        Returns:
            (B, 1 + V, D) for each frame: its CLS token, then patches in the order of its mask.
        """
        raise NotImplementedError


class SiameseEncoding(Encoding):
    """The paper's default: one ViT with shared weights, run on each frame alone."""

    encodes_past_alone = True

    @override
    def encode_past(self, encoder: Encoder, patches: Tensor, mask: FrameMask) -> Tensor:
        return encoder(patches, _visible(mask))

    @override
    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        past_tokens: Tensor | None = None,
    ) -> list[Tensor]:
        if past_tokens is None:
            past_tokens = self.encode_past(encoder, patches[0], masks[0])
        future, visible = patches[1], _visible(masks[1])
        if visible is not None and visible.shape[1] == 0:  # CLS alone, the same in every sample
            token = encoder(future[:1], visible[:1])
            return [past_tokens, token.expand(future.shape[0], -1, -1)]
        return [past_tokens, encoder(future, visible)]


class JointEncoding(Encoding):
    """The paper's ablation: visible patches of both frames in one sequence through the ViT.

    Each frame brings its own CLS token and is cut out of the sequence again, so that decoders see
    what they see of the siamese encoder. With the joint decoder this is the paper's FrameMAE. With
    several future frames each is encoded together with the past frame, so each costs a whole pass
    of the encoder, where the siamese encoding adds only what is visible of it.

    Args:
        width: channels D of the encoder's tokens.
        future_embedding: add a learned vector to the tokens of the future frame. The paper does not
            say; without it two tokens at one place, one of each frame, differ by content only. The
            past frame gets none: features are measured on single frames, whose tokens are then
            exactly those of a past frame. With a vector for each frame it would be open which of
            the two a single frame takes, and the exported encoder would be incomplete.
    """

    def __init__(self, width: int, future_embedding: bool = True):
        super().__init__()
        if not isinstance(future_embedding, bool):
            raise ValueError(f"future_embedding={future_embedding!r} is neither true nor false")
        self.future_embedding: nn.Parameter | None = None
        if future_embedding:
            self.future_embedding = nn.Parameter(torch.randn(1, 1, width) * 0.02)

    @override
    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        past_tokens: Tensor | None = None,
    ) -> list[Tensor]:
        frames = [
            encoder.embed(frame, _visible(mask)) for frame, mask in zip(patches, masks, strict=True)
        ]
        if self.future_embedding is not None:
            frames[1:] = [frame + self.future_embedding for frame in frames[1:]]
        encoded = encoder.transform(torch.cat(frames, dim=1))  # (B, 2 + V of both frames, D)
        return list(encoded.split([frame.shape[1] for frame in frames], dim=1))


def _visible(mask: FrameMask) -> Tensor | None:
    """Return the visible indices, or None for a whole frame, which needs no gathering."""
    return None if mask.is_whole else mask.visible
