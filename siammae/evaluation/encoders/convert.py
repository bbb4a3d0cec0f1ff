"""Converting an encoder's tensors to timm's names, as a model of images."""

import math
import re
from typing import Any

import torch
from torch import Tensor

from siammae.system.errors import DataError

VIDEOMAE_SIDE = 224  # pixels, of the frames that its published models were trained on
HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16, 1664: 16}  # by width
Tensors = dict[str, Tensor]


def to_timm(tensors: Tensors, over_time: bool) -> Tensors:
    """Rename tensors and fold what timm keeps in one; names that are timm's stay as they are.

    A patch embedding over time (MAE-ST, VideoMAE) is summed over it: this is the token of a clip
    that shows the same frame all the time, and it gets the positions of the clip's beginning.
    Separate q, k and v (MAE-ST) are stacked; a bias of q and v alone (VideoMAE, BEiT) gets zeros
    for k; ``gamma_1`` and ``gamma_2`` are layer scales. VideoMAE's positions are not in its files:
    they are sines and cosines over all patches of a clip, counted in one line. DINOv2's blocks may
    stand in chunks, and its registers (Darcet et al. 2024) have no positions; that of its CLS token
    is added to the token.
    """
    found = {re.sub(r"^blocks\.\d+\.(?=\d+\.)", "blocks.", name): t for name, t in tensors.items()}
    if len(found) != len(tensors):
        raise DataError("two of its names mean one block: its chunks do not count blocks through")
    if "register_tokens" in found:
        _registers(found)
    if over_time:
        embedding = found["patch_embed.proj.weight"]
        found["patch_embed.proj.weight"] = embedding.sum(dim=2)
        _positions(found)
    blocks = {name.split(".")[1] for name in found if name.startswith("blocks.")}
    for number in blocks:
        _stack_attention(found, f"blocks.{number}.attn.")
        for old, new in (("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma")):
            if f"blocks.{number}.{old}" in found:
                found[f"blocks.{number}.{new}"] = found.pop(f"blocks.{number}.{old}")
    return found


def _registers(found: Tensors) -> None:
    if not {"cls_token", "pos_embed"} <= found.keys():
        raise DataError("no plain ViT: it has register_tokens, but no cls_token or pos_embed")
    found["reg_token"], positions = found.pop("register_tokens"), found["pos_embed"]
    found["cls_token"] = found["cls_token"] + positions[:, :1]
    found["pos_embed"] = positions[:, 1:]


def _stack_attention(found: Tensors, start: str) -> None:
    for kind in ("weight", "bias"):
        parts = [found.pop(f"{start}{letter}.{kind}", None) for letter in "qkv"]
        if all(part is not None for part in parts):
            found[f"{start}qkv.{kind}"] = torch.cat(parts)  # type: ignore[arg-type]
    query, value = found.pop(f"{start}q_bias", None), found.pop(f"{start}v_bias", None)
    if query is not None and value is not None:
        found[f"{start}qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])


def _positions(found: Tensors) -> None:
    if "pos_embed_spatial" in found:
        place = found.pop("pos_embed_spatial")  # (1, N, D)
        moment = found.pop("pos_embed_temporal", None)  # (1, T, D)
        if moment is not None:
            place = place + moment[:, :1]
        cls = found.pop("pos_embed_class", None)  # (1, 1, D)
        found["pos_embed"] = place if cls is None else torch.cat([cls, place], dim=1)
    elif "pos_embed" not in found:
        width, patch = found["patch_embed.proj.weight"].shape[0::3]
        found["pos_embed"] = line_positions((VIDEOMAE_SIDE // patch) ** 2, width)


def line_positions(count: int, width: int) -> Tensor:
    """Return sines (even channels), cosines (odd) of 0 to ``count`` - 1, (1, count, width)."""
    channel = torch.arange(width, dtype=torch.float64)
    rate = 10000 ** (-2 * (channel // 2) / width)
    angle = torch.arange(count, dtype=torch.float64)[:, None] * rate
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()[None]


def shape_of(tensors: Tensors, heads: int | None, prefix: str) -> dict[str, Any]:
    """Return the arguments of timm's ``VisionTransformer`` that follow from tensors in its names.

    The number of heads does not show in tensors. It is that of the ViT of this width: 64 channels
    each, but 16 heads in ViT-H, ViT-g and ViT-G, and 12 in MoCo v3's ViT-S.

    Args:
        tensors: of the encoder.
        heads: instead of that rule.
        prefix: that the encoder's names had in the file.

    Raises:
        DataError: when they are not a ViT's, or no usual ViT has its width and ``heads`` is None.
    """
    ranks = {"patch_embed.proj.weight": 4, "pos_embed": 3, "reg_token": 3}
    for name, rank in ranks.items():
        if name in tensors and tensors[name].ndim != rank:
            raise DataError(f"no plain ViT: {name} has the shape {tuple(tensors[name].shape)}")
    width, channels, patch, across = tensors["patch_embed.proj.weight"].shape
    depth = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    mlp = tensors.get("blocks.0.mlp.fc1.weight")
    if channels != 3 or patch != across or depth == 0 or mlp is None:
        raise DataError(
            f"no plain ViT: patches of {channels} x {patch} x {across}, {depth} blocks"
            + ("" if mlp is not None else " without blocks.0.mlp.fc1")
        )
    usual = HEADS.get(width)
    if prefix == "base_encoder." and width == 384:
        usual = 12
    registers = tensors["reg_token"].shape[1] if "reg_token" in tensors else 0
    own = registers + int("cls_token" in tensors)
    side, embedded = _side(tensors, own)
    heads = heads or usual
    if heads is None:
        raise DataError(
            f"its width of {width} does not say how many heads it has; give heads=N "
            f"(known widths: {', '.join(map(str, HEADS))})"
        )
    if width % heads:
        raise DataError(f"heads={heads} does not divide its width of {width}")
    return {
        "img_size": side * patch,
        "patch_size": patch,
        "embed_dim": width,
        "depth": depth,
        "num_heads": heads,
        "mlp_ratio": mlp.shape[0] / width,
        "qkv_bias": "blocks.0.attn.qkv.bias" in tensors,
        "class_token": "cls_token" in tensors,
        "reg_tokens": registers,
        "no_embed_class": own > 0 and not embedded,
        # Of models that were trained with the mean of all patches, such as MAE's fine-tuned ones.
        "fc_norm": "fc_norm.weight" in tensors and "norm.weight" not in tensors,
        "init_values": 1.0 if "blocks.0.ls1.gamma" in tensors else None,
    }


def _side(tensors: Tensors, own: int) -> tuple[int, bool]:
    """Return how many patches are along a side of the training images, and what has positions.

    Args:
        tensors: of the encoder.
        own: how many tokens it has that are no patches.

    Returns:
        The side, and whether those tokens have positions, too.
    """
    if "pos_embed" not in tensors:
        raise DataError("no plain ViT: it has no pos_embed")
    count = tensors["pos_embed"].shape[1]
    for patches in (count - own, count):
        side = math.isqrt(max(patches, 0))
        if side > 0 and side * side == patches:
            return side, patches != count
    raise DataError(f"its {count - own} positions are no square grid of patches")
