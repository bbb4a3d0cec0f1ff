"""Bringing a ViT's table of absolute positions to another grid of patches."""

import torch
import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed
from torch import Tensor

GROWN = 0.1  # of a patch


def resize_positions(
    table: Tensor,
    grid: tuple[int, int],
    trained: tuple[int, int],
    own: int = 1,
    by_scale: bool = False,
) -> Tensor:
    """Resize positions (1, own + N, D) by bicubic interpolation without antialiasing.

    ``by_scale`` does it as the evaluations of DINO (``interpolate_pos_encoding``) and CropMAE,
    which give the scale of rows and columns in place of the size. They add 0.1 to both first, lest
    rounding lose one, and so values are taken at slightly other places.

    Args:
        table: of the trained grid.
        grid: wanted rows and columns.
        trained: rows and columns of the table.
        own: tokens before the patches, such as CLS, whose positions stay as they are.
        by_scale: see above.
    """
    if not by_scale:
        return resample_abs_pos_embed(
            table, list(grid), list(trained), num_prefix_tokens=own, antialias=False
        )
    if grid == trained:
        return table
    scale = tuple((n + GROWN) / of for n, of in zip(grid, trained, strict=True))
    picture = table[:, own:].float().unflatten(1, trained).permute(0, 3, 1, 2)
    resized = F.interpolate(picture, scale_factor=scale, mode="bicubic")
    return torch.cat([table[:, :own], resized.flatten(2).transpose(1, 2).to(table.dtype)], dim=1)
