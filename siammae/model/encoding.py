"""How the frames of a pair go through the encoder: each on its own, or in one sequence.

Both options run the same ViT, whose parameters keep timm's names, and give tokens that every
decoder takes. What joins the frames has parameters of its own, outside of the encoder.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from siammae.model.encoder import Encoder
from siammae.model.masking.strategies import FrameMask


class Encoding(nn.Module):
    """Base of the options; a pair is the frame that is given and one that is restored."""

    def given(self, encoder: Encoder, patches: Tensor, mask: FrameMask) -> Tensor | None:
        """Encode the given frame (B, N, P) once for all frames that are restored from it.

        Returns:
            (B, 1 + V, D), or None when it is encoded with each of them.
        """
        return None

    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        memory: Tensor | None = None,
    ) -> list[Tensor]:
        """Encode what is visible of a pair.

        Args:
            encoder: the ViT.
            patches: (B, N, P) of each frame.
            masks: the split of each frame; hidden patches never enter the encoder.
            memory: what `given` made of the first frame.

        Returns:
            (B, 1 + V, D) for each frame: its CLS token, then patches in the order of its mask.
        """
        raise NotImplementedError


class SiameseEncoding(Encoding):
    """The paper's default: one ViT with shared weights, run on each frame alone."""

    def given(self, encoder: Encoder, patches: Tensor, mask: FrameMask) -> Tensor:
        """See `Encoding`."""
        return encoder(patches, _visible(mask))

    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        memory: Tensor | None = None,
    ) -> list[Tensor]:
        """See `Encoding`."""
        if memory is None:
            memory = self.given(encoder, patches[0], masks[0])
        future, visible = patches[1], _visible(masks[1])
        if visible is not None and visible.shape[1] == 0:  # CLS alone, the same in every sample
            token = encoder(future[:1], visible[:1])
            return [memory, token.expand(future.shape[0], -1, -1)]
        return [memory, encoder(future, visible)]


class JointEncoding(Encoding):
    """The paper's ablation: visible patches of all frames in one sequence through the ViT.

    Each frame brings its own CLS token and is cut out of the sequence again, so that decoders see
    what they see of the siamese encoder. With the joint decoder this is the paper's FrameMAE. With
    several future frames each is encoded together with the given one, so each costs a whole pass of
    the encoder, where the siamese encoding adds only what is visible of it.

    Args:
        width: channels D of the encoder's tokens.
        future_embedding: add a learned vector to the tokens of every frame but the first. The paper
            does not say; without it two tokens at one place, one of each frame, differ by content
            only. The past frame gets none: features are measured on single frames, whose tokens are
            then exactly those of a past frame. With a vector for each frame it would be open which
            of the two a single frame takes, and the exported encoder would be incomplete.
    """

    def __init__(self, width: int, future_embedding: bool = True):
        super().__init__()
        if not isinstance(future_embedding, bool):
            raise ValueError(f"future_embedding={future_embedding!r} is neither true nor false")
        self.future_embedding: nn.Parameter | None = None
        if future_embedding:
            self.future_embedding = nn.Parameter(torch.randn(1, 1, width) * 0.02)

    def forward(
        self,
        encoder: Encoder,
        patches: Sequence[Tensor],
        masks: Sequence[FrameMask],
        memory: Tensor | None = None,
    ) -> list[Tensor]:
        """See `Encoding`."""
        frames = [
            encoder.embed(frame, _visible(mask)) for frame, mask in zip(patches, masks, strict=True)
        ]
        if self.future_embedding is not None:
            frames[1:] = [frame + self.future_embedding for frame in frames[1:]]
        encoded = encoder.transform(torch.cat(frames, dim=1))  # (B, T + V of all frames, D)
        return list(encoded.split([frame.shape[1] for frame in frames], dim=1))


def _visible(mask: FrameMask) -> Tensor | None:
    """A whole frame is not gathered anew."""
    return None if mask.is_whole else mask.visible
