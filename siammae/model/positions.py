"""Fixed two-dimensional sine-cosine positions (MAE, ``util/pos_embed.py``)."""

import torch
from timm.layers import build_sincos2d_pos_embed
from torch import Tensor


def sincos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Position table (1, 1 + N, width) for a CLS token and a grid of N = rows * columns patches.

    The CLS token's position is zero. Channels in MAE's order: sine and cosine of the column, then
    of the row, so that MAE's checkpoints and ours mean the same channels.

    Raises:
        ValueError: when ``width`` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width {width} is not a multiple of 4, as 2D sine-cosine positions need")
    table = build_sincos2d_pos_embed(
        list(grid), dim=width
    )  # sin row, sin column, cos row, cos column
    table = table.view(-1, 2, 2, width // 4).flip(2).transpose(1, 2).reshape(-1, width)
    return torch.cat([torch.zeros(1, width), table]).unsqueeze(0)
