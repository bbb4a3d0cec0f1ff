"""Our parameters by the authors' names, where several methods call them alike.

What is made of a parameter here is made by operations that autograd knows: the gradients of their
parameters then come back as those of ours, also where one of ours stands for several of theirs.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def moved(weights: Weights, ours: str, theirs: str) -> dict[str, Tensor]:
    """Return what is below the name ``ours``, now below ``theirs``, or at the top if it is empty.

    The ViT has timm's names in all repositories, and needs no more than that.
    """
    found = {
        (theirs + name.removeprefix(ours)).removeprefix("."): weight
        for name, weight in weights.items()
        if name.startswith(f"{ours}.")
    }
    assert found, f"there is no {ours}"
    return found


def of_decoder(weights: Weights, embed: str = "decoder_embed") -> dict[str, Tensor]:
    """Return what is around the layers of a decoder, as MAE calls it; ``embed`` is its entry."""
    return {
        "mask_token": weights["decoder.mask_token"],
        "decoder_pos_embed": weights["decoder.pos_embed"],
        **moved(weights, "decoder.embed", embed),
        **moved(weights, "decoder.norm", "decoder_norm"),
        **of_pixels(weights),
    }


def of_pixels(weights: Weights) -> dict[str, Tensor]:
    """Return the last linear layer; in their patches the channel is the last of three axes."""
    found = {}
    for name, weight in moved(weights, "head.pixels", "decoder_pred").items():
        side = round((len(weight) / 3) ** 0.5)
        boxes = weight.unflatten(0, (3, side, side)).movedim(0, 2)
        found[name] = boxes.flatten(0, 2)
    return found


def keys_and_values(weights: Weights, kind: str) -> list[Tensor]:
    """Return the ``weight`` or ``bias`` of keys and values of each layer of a decoder."""
    depth = len({name.split(".")[2] for name in weights if name.startswith("decoder.layers.")})
    return list(weights[f"decoder.memory_to_kv.{kind}"].chunk(depth))


def of_rsp_layers(weights: Weights) -> dict[str, Tensor]:
    """Return the decoder's layers as RSP and ToBo call them: one key norm of ours for all."""
    found: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        for number, kv in enumerate(keys_and_values(weights, kind)):
            names = {"cattn.kv": kv, "norm_kv1": weights[f"decoder.memory_norm.{kind}"]}
            found |= {f"decoder_blocks.{number}.{n}.{kind}": w for n, w in names.items()}
    parts = {
        "norms.cross": "norm1", "norms.self": "norm3", "norms.mlp": "norm4",
        "sublayers.cross.query": "cattn.q", "sublayers.cross.out": "cattn.proj",
        "sublayers.self.qkv": "attn.qkv", "sublayers.self.out": "attn.proj",
        "sublayers.mlp.layers.0": "mlp2.fc1", "sublayers.mlp.layers.2": "mlp2.fc2",
    }  # fmt: skip
    return found | _layers(weights, parts)


def of_torch_layers(weights: Weights) -> dict[str, Tensor]:
    """Return the decoder's layers by the names of torch's own, which CropMAE and CatMAE take."""
    found: dict[str, Tensor] = {}
    for kind in ("weight", "bias"):
        for number, kv in enumerate(keys_and_values(weights, kind)):
            query = weights[f"decoder.layers.{number}.sublayers.cross.query.{kind}"]
            joined = torch.cat([query, kv])
            found[f"decoder_blocks.{number}.multihead_attn.in_proj_{kind}"] = joined
            qkv = weights[f"decoder.layers.{number}.sublayers.self.qkv.{kind}"]
            found[f"decoder_blocks.{number}.self_attn.in_proj_{kind}"] = qkv
    parts = {
        "norms.self": "norm1", "norms.cross": "norm2", "norms.mlp": "norm3",
        "sublayers.cross.out": "multihead_attn.out_proj",
        "sublayers.self.out": "self_attn.out_proj",
        "sublayers.mlp.layers.0": "linear1", "sublayers.mlp.layers.2": "linear2",
    }  # fmt: skip
    return found | _layers(weights, parts)


def _layers(weights: Weights, parts: Mapping[str, str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for number in range(len(keys_and_values(weights, "bias"))):
        for ours, theirs in parts.items():
            names = (f"decoder.layers.{number}.{ours}", f"decoder_blocks.{number}.{theirs}")
            found |= moved(weights, *names)
    return found
