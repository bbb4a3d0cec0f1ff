"""MAE's decoder: a frame's hidden patches are restored from its own visible ones."""

from typing import ClassVar

from timm.models.vision_transformer import Block
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.decoders import Decoder
from siammae.model.layers import run_blocks
from siammae.model.pair import FrameMask


class SelfDecoder(Decoder):
    """Self-attention over the full token set of one frame (He et al., 2022, section 3).

    Args:
        image_size, patch_size, encoder_width, width: see `Decoder`.
        depth: number of blocks.
        heads: attention heads; divides ``width``.
    """

    takes_past: ClassVar = False

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        encoder_width: int,
        width: int,
        depth: int,
        heads: int,
    ):
        super().__init__(image_size, patch_size, encoder_width, width)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.reset()

    @override
    def forward(self, encoded: Tensor, mask: FrameMask) -> Tensor:  # type: ignore[override]
        """Decode a frame (B, 1 + V, encoder_width); return its H hidden patches, (B, H, D)."""
        tokens = run_blocks(self.blocks, self.full_set(encoded, mask))
        return self.norm(tokens[:, -mask.hidden.shape[1] :])
