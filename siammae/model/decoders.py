"""The three decoders of the paper (section 3, Table 2): cross-self, cross and joint.

All take the encoder's tokens of both frames and return decoded tokens of the future frame's hidden
patches, in the order of its mask. What the paper leaves open is an argument here. A decoder is
called once for each future frame; what it computes from the past frame alone is kept and reused.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from timm.layers import LayerNorm
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from typing_extensions import override

from siammae.model.decoder_layer import DecoderLayer
from siammae.model.layers import initialise, run_blocks, run_layer, sincos_positions
from siammae.model.pair import FrameMask, PastCache
from siammae.model.patches import gather_tokens


class Decoder(nn.Module):
    """Base of the decoders: projection, mask token, positions, final norm.

    A subclass builds its layers, calls `reset`, and implements `prepare` and `decode`.

    Args:
        image_size: side of the square images in pixels.
        patch_size: side of a patch in pixels.
        encoder_width: channels of the encoder's tokens.
        width: channels D of the decoder's tokens.

    Attributes:
        takes_past: whether it restores a frame from another, not from itself alone.
    """

    takes_past: ClassVar[bool] = True
    pos_embed: Tensor

    def __init__(self, image_size: int, patch_size: int, encoder_width: int, width: int):
        super().__init__()
        self.width = width
        side = image_size // patch_size
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.register_buffer("pos_embed", sincos_positions((side, side), width), persistent=False)
        self.norm = LayerNorm(width)

    def reset(self) -> None:
        """Draw the initial weights; a subclass calls this once its layers are built."""
        initialise(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def place(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Add positions to a CLS token and ``visible`` patches' tokens, (B, 1 + V, D)."""
        table = self.pos_embed.expand(tokens.shape[0], -1, -1)
        positions = torch.cat([table[:, :1], gather_tokens(table[:, 1:], visible)], dim=1)
        return tokens + positions

    def forward(
        self,
        past: Tensor,
        future: Tensor,
        past_mask: FrameMask,
        future_mask: FrameMask,
        gap_embedding: Tensor | None = None,
        past_cache: PastCache | None = None,
        with_visible: bool = False,
    ) -> Tensor:
        """Decode one future frame.

        Args:
            past, future: encoded frames (B, 1 + V, encoder_width).
            past_mask, future_mask: the split of each.
            gap_embedding: (B, 1, D), added to the future frame's tokens; None adds nothing.
            past_cache: where the result of `prepare` is kept for this past frame's next future
                frame; None keeps nothing.
            with_visible: whether the visible patches are returned as well.

        Returns:
            (B, H, D), decoded tokens of the H hidden patches; or (B, V + H, D), those of the V
            visible patches before them.
        """
        past_cache = {} if past_cache is None else past_cache
        if self not in past_cache:
            past_cache[self] = self.prepare(past, past_mask)
        tokens = self.full_set(future, future_mask, gap_embedding)
        decoded = self.decode(past_cache[self], tokens)
        patches = future_mask.hidden.shape[1]
        if with_visible:
            patches += future_mask.visible.shape[1]
        return self.norm(decoded[:, -patches:])

    def prepare(self, past: Tensor, mask: FrameMask) -> Tensor:
        """Compute what depends on the past frame alone, once for all future frames."""
        raise NotImplementedError

    def decode(self, prepared: Tensor, tokens: Tensor) -> Tensor:
        """Run a future frame's full set (B, 1 + N, D) through the layers.

        Args:
            prepared: what `prepare` returned.
            tokens: what `full_set` returned.

        Returns:
            tokens (B, any number, D) of which the last are the full set's, in its order.
        """
        raise NotImplementedError

    def full_set(
        self, encoded: Tensor, mask: FrameMask, gap_embedding: Tensor | None = None
    ) -> Tensor:
        """Return CLS, visible and mask tokens of a frame, in this order: (B, 1 + N, D).

        All have positions, and ``gap_embedding`` (B, 1, D) is added to all. Attention does not
        depend on the order, so nothing is shuffled back as in MAE.
        """
        seen = self.place(self.embed(encoded), mask.visible)
        table = self.pos_embed[:, 1:].expand(encoded.shape[0], -1, -1)
        hidden = self.mask_token + gather_tokens(table, mask.hidden)
        tokens = torch.cat([seen, hidden.to(seen.dtype)], dim=1)
        return tokens if gap_embedding is None else tokens + gap_embedding


class JointDecoder(Decoder):
    """Self-attention over the full token sets of both frames, 2 (N + 1) tokens.

    Args:
        image_size, patch_size, encoder_width, width: see `Decoder`.
        depth: number of blocks.
        heads: attention heads; divides ``width``.
        frame_embedding: add a learned vector for each frame. The paper does not say; without it two
            tokens at one place, one of each frame, differ by content only.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        encoder_width: int,
        width: int,
        depth: int,
        heads: int,
        frame_embedding: bool = True,
    ):
        super().__init__(image_size, patch_size, encoder_width, width)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True) for _ in range(depth))
        self.reset()
        self.frame_embedding: nn.Parameter | None = None
        if frame_embedding:
            self.frame_embedding = nn.Parameter(torch.randn(2, 1, 1, width) * 0.02)

    @override
    def prepare(self, past: Tensor, mask: FrameMask) -> Tensor:
        return self.full_set(past, mask)

    @override
    def decode(self, prepared: Tensor, tokens: Tensor) -> Tensor:
        frames = [prepared, tokens]
        if self.frame_embedding is not None:
            frames = [
                frame + which for frame, which in zip(frames, self.frame_embedding, strict=True)
            ]
        return run_blocks(self.blocks, torch.cat(frames, dim=1))


class CrossDecoder(Decoder):
    """Cross-attention to the past frame, then MLP: future tokens do not see each other.

    Args:
        image_size, patch_size, encoder_width, width: see `Decoder`.
        depth: number of layers.
        heads: attention heads; divides ``width``.
        order: sub-layers of a layer, in order; by default that of ``sublayers``.
        norm: ``pre`` (before each sub-layer; ViT, RSP) or ``post`` (after the sum; CropMAE).
        dropout: probability for each sub-layer's output; 0 in MAE, 0.1 in CropMAE's and CatMAE's
            decoders.
        memory_positions: add decoder positions to the past frame's tokens. Without them the decoder
            knows a token's place from the encoder's features only; reproductions differ.
        memory_cls: keep the past frame's CLS token among the keys, as all reproductions do.
        memory_norm: norm the past frame's tokens before they become keys and values, as RSP does
            and CropMAE does not.
        mlp_ratio: hidden units of an MLP, as a multiple of ``width``.
    """

    sublayers: tuple[str, ...] = ("cross", "mlp")

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        encoder_width: int,
        width: int,
        depth: int,
        heads: int,
        order: Sequence[str] | None = None,
        norm: str = "pre",
        dropout: float = 0.0,
        memory_positions: bool = True,
        memory_cls: bool = True,
        memory_norm: bool = True,
        mlp_ratio: float = 4.0,
    ):
        super().__init__(image_size, patch_size, encoder_width, width)
        order = self.sublayers if order is None else order
        if sorted(order) != sorted(self.sublayers):
            raise ValueError(f"order {list(order)} must name each of {sorted(self.sublayers)} once")
        self.heads, self.memory_positions, self.memory_cls = heads, memory_positions, memory_cls
        self.memory_norm = LayerNorm(width) if memory_norm else nn.Identity()
        # Keys and values of all layers in one product: the memory is the same for every layer.
        self.memory_to_kv = nn.Linear(width, 2 * width * depth)
        self.layers = nn.ModuleList(
            DecoderLayer(width, heads, order, norm, dropout, mlp_ratio) for _ in range(depth)
        )
        self.reset()
        # Each layer's key and value map starts as if it stood alone, whatever the depth.
        for weight in self.memory_to_kv.weight.data.chunk(2 * depth):
            nn.init.xavier_uniform_(weight)

    @override
    def prepare(self, past: Tensor, mask: FrameMask) -> Tensor:
        """Return keys and values of all layers: (layers, 2, B, heads, past tokens, d)."""
        return self.keys_values(self.memory(past, mask))

    def memory(self, past: Tensor, mask: FrameMask) -> Tensor:
        """Return the tokens (B, M, D) of an encoded frame that a future frame's attend to."""
        memory = self.embed(past)
        if self.memory_positions:
            memory = self.place(memory, mask.visible)
        if not self.memory_cls:
            memory = memory[:, 1:]
        return memory

    def keys_values(self, memory: Tensor) -> Tensor:
        """Return keys and values of all layers, see `prepare`, of tokens (B, M, D)."""
        keys_values = self.memory_to_kv(self.memory_norm(memory))
        b, m, _ = keys_values.shape
        keys_values = keys_values.view(b, m, len(self.layers), 2, self.heads, -1)
        return keys_values.permute(2, 3, 0, 4, 1, 5)

    @override
    def decode(self, prepared: Tensor, tokens: Tensor) -> Tensor:
        for layer, (key, value) in zip(self.layers, prepared, strict=True):
            tokens = run_layer(layer, tokens, key, value)
        return tokens

    def decode_alone(self, tokens: Tensor) -> Tensor:
        """Run tokens (B, N, D) through all sub-layers but the cross-attention, and the norm."""
        for layer in self.layers:
            tokens = run_layer(layer, tokens)
        return self.norm(tokens)


class CrossSelfDecoder(CrossDecoder):
    """The paper's default: cross-attention to the past, self-attention in the future frame, MLP.

    The paper leaves ``order`` open. The default is RSP's: cross, self, mlp. CropMAE has cross, mlp,
    self.
    """

    sublayers = ("cross", "self", "mlp")
