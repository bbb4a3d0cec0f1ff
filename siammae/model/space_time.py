"""Clips as tubelets, small boxes in space and time: their places, and a decoder of them."""

from typing import ClassVar

import torch
from timm.layers import LayerNorm
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from siammae.model.layers import initialise, run_blocks
from siammae.model.pair import FrameMask
from siammae.model.patches import gather_tokens


class SpaceTimePositions(nn.Module):
    """Learned positions: of a tubelet the sum of one of its place and one of its time.

    Args:
        places: number N of tubelets of one time.
        times: number M of times.
        width: channels D.
    """

    def __init__(self, places: int, times: int, width: int):
        super().__init__()
        self.cls = nn.Parameter(torch.empty(1, 1, width))
        self.space = nn.Parameter(torch.empty(1, places, width))
        self.time = nn.Parameter(torch.empty(1, times, width))
        for positions in self.parameters():
            nn.init.trunc_normal_(positions, std=0.02)

    def forward(self) -> Tensor:
        """Return the positions of all tubelets, the first time's first: (1, M * N, D)."""
        return (self.time.unsqueeze(2) + self.space.unsqueeze(1)).flatten(1, 2)


class SpaceTimeDecoder(nn.Module):
    """Self-attention over all tubelets of a clip, visible and hidden ones.

    Args:
        image_size: side of the square frames in pixels.
        patch_size: side of a tubelet in pixels.
        encoder_width: channels of the encoder's tokens.
        width: channels D of the decoder's tokens.
        depth: number of blocks.
        heads: attention heads; divides ``width``.
        frames: of a clip.
        tubelet: frames of a tubelet.
    """

    takes_past: ClassVar = False  # see `Decoder`

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        encoder_width: int,
        width: int,
        depth: int,
        heads: int,
        frames: int,
        tubelet: int,
    ):
        super().__init__()
        self.width = width
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = SpaceTimePositions(
            (image_size // patch_size) ** 2, frames // tubelet, width
        )
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = LayerNorm(width)
        initialise(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, encoded: Tensor, mask: FrameMask) -> Tensor:
        """Decode a clip.

        Args:
            encoded: (B, V, encoder_width), its visible tubelets, without CLS.
            mask: the split of its tubelets.

        Returns:
            (B, H, D), decoded tokens of the H hidden tubelets.
        """
        batch, table = len(encoded), self.positions().expand(len(encoded), -1, -1)
        seen = self.embed(encoded) + gather_tokens(table, mask.visible)
        hidden = self.mask_token + gather_tokens(table, mask.hidden)
        cls = (self.cls_token + self.positions.cls).expand(batch, -1, -1)
        tokens = torch.cat([cls.to(seen.dtype), seen, hidden.to(seen.dtype)], dim=1)
        return self.norm(run_blocks(self.blocks, tokens)[:, -mask.hidden.shape[1] :])
