"""The encoder: one ViT for past and future frames."""

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm, PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from siammae.model.layers import initialise, run_blocks, sincos_positions
from siammae.model.patches import gather_tokens, patchify
from siammae.model.positions import resize_positions


class Encoder(nn.Module):
    """A ViT of timm's blocks with a CLS token and fixed 2D sine-cosine positions.

    There is no temporal position: past and future frame are encoded alike (paper, section 3).
    Parameters carry timm's names, so weights go to and come from ``timm.create_model`` as they are.

    Args:
        image_size: side of the square training images in pixels.
        patch_size: side of a patch in pixels.
        width: channels D of a token.
        depth: number of blocks.
        heads: attention heads; divides ``width``.
    """

    pos_embed: Tensor

    def __init__(self, image_size: int, patch_size: int, width: int, depth: int, heads: int):
        super().__init__()
        self.patch_size, self.width = patch_size, width
        self.grid = (image_size // patch_size, image_size // patch_size)
        self.patch_embed = PatchEmbed(image_size, patch_size, 3, width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.register_buffer("pos_embed", sincos_positions(self.grid, width))
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.norm = LayerNorm(width)  # timm's: epsilon 1e-6, as in its ViTs
        initialise(self)
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.view(width, -1))

    def forward(self, patches: Tensor, visible: Tensor | None = None) -> Tensor:
        """Encode patches (B, N, P), or only those at ``visible`` (B, V); no other enters.

        Returns:
            (B, 1 + V, D): the CLS token, then the patches in the order of ``visible``.
        """
        return self.transform(self.embed(patches, visible))

    def embed(self, patches: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return tokens (B, 1 + V, D) as they enter the first block, CLS first."""
        return self._embed(patches, self.pos_embed, visible)

    def transform(self, tokens: Tensor) -> Tensor:
        """Run tokens (B, M, D) of one frame or of several through all blocks and the last norm."""
        return self.norm(run_blocks(self.blocks, tokens))

    def features(self, images: Tensor, by_scale: bool = False) -> Tensor:
        """Return patch features (B, N, D) of whole images, see `tokens`, without CLS."""
        return self.tokens(images, by_scale)[:, 1:]

    def tokens(self, images: Tensor, by_scale: bool = False) -> Tensor:
        """Return tokens (B, 1 + N, D) of whole images (B, 3, H, W) after the last norm, CLS first.

        H and W are any multiples of the patch: positions are resized, see `resize_positions`.
        """
        rows, columns = (side // self.patch_size for side in images.shape[-2:])
        positions = resize_positions(self.pos_embed, (rows, columns), self.grid, by_scale=by_scale)
        tokens = self._embed(patchify(images, self.patch_size), positions, None)
        return self.transform(tokens)

    def _embed(self, patches: Tensor, positions: Tensor, visible: Tensor | None) -> Tensor:
        b = patches.shape[0]
        positions, cls_position = positions[:, 1:], positions[:, :1]
        if visible is not None:  # drop hidden patches before they cost anything
            patches = gather_tokens(patches, visible)
            positions = gather_tokens(positions.expand(b, -1, -1), visible)
        projection = self.patch_embed.proj
        tokens = F.linear(patches, projection.weight.flatten(1), projection.bias) + positions
        cls = (self.cls_token + cls_position).expand(b, -1, -1)
        return torch.cat([cls.to(tokens.dtype), tokens], dim=1)
