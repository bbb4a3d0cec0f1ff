"""What encoder and decoders share: attention, MAE's initial weights and positions."""

import torch
import torch.nn.functional as F
from timm.layers import build_sincos2d_pos_embed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Measured: on CPUs two plain matrix products beat scaled_dot_product_attention about twofold at
# a few hundred tokens and lose at 1,600; on GPUs the fused kernel always wins.
PLAIN_UP_TO = 512
RECOMPUTED = "recomputed"  # the attribute of a layer that `recompute` marked


def prefers_plain(tokens: Tensor) -> bool:
    """Return whether plain products beat the fused kernel when ``tokens`` (..., N, D) are keys."""
    return tokens.device.type == "cpu" and tokens.shape[-2] <= PLAIN_UP_TO


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(query key^T / sqrt(d)) value; all are (B, heads, tokens, d)."""
    if prefers_plain(key):
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value)


def run_blocks(blocks: nn.ModuleList, tokens: Tensor) -> Tensor:
    """Pass tokens (B, N, D) through timm's blocks, with the faster kernel for their number."""
    fused = not prefers_plain(tokens)
    for block in blocks:
        block.attn.fused_attn = fused  # type: ignore[union-attr]
        tokens = run_layer(block, tokens)
    return tokens


def run_layer(layer: nn.Module, *inputs: Tensor | None) -> Tensor:
    """Run a block or a decoder's layer.

    One that `recompute` marked keeps its inputs alone for the backward pass, which runs it again.
    """
    if getattr(layer, RECOMPUTED, False) and torch.is_grad_enabled():
        return checkpoint(layer, *inputs, use_reentrant=False)
    return layer(*inputs)


def recompute(layer: nn.Module) -> None:
    """Mark a layer whose activations the backward pass computes again (Chen et al., 2016)."""
    setattr(layer, RECOMPUTED, True)


def initialise(module: nn.Module) -> None:
    """Draw MAE's initial weights: Xavier-uniform linear layers, zero biases, unit norms."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.LayerNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


def sincos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Return the fixed 2D sine-cosine positions of MAE (``util/pos_embed.py``): (1, 1 + N, width).

    The first row belongs to the CLS token and is zero; N = rows * columns patches follow. The order
    of channels is MAE's, sine and cosine of the column, then of the row, so that a channel means
    the same in MAE's checkpoints and in ours.

    Raises:
        ValueError: when ``width`` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width {width} is not a multiple of 4, as 2D sine-cosine positions need")
    table = build_sincos2d_pos_embed(list(grid), dim=width)
    # timm's channels are: sine of the row, sine of the column, cosine of the row, of the column.
    table = table.view(-1, 2, 2, width // 4).flip(2).transpose(1, 2).reshape(-1, width)
    return torch.cat([torch.zeros(1, width), table]).unsqueeze(0)
