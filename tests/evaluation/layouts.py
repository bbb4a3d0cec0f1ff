"""Checkpoints in published layouts, written from the tensors of a plain timm ViT."""

from argparse import Namespace

import torch
from timm.models.vision_transformer import VisionTransformer

WIDTH, PATCH, SIDE = 192, 8, 32


def plain_vit(class_token=True, seed=0, **others):
    """A ViT of two blocks with weights that all matter (timm starts biases at zero)."""
    torch.manual_seed(seed)
    arguments = {"embed_dim": WIDTH, "depth": 2, "num_heads": 3, "patch_size": PATCH, **others}
    model = VisionTransformer(
        img_size=SIDE,
        num_classes=0,
        global_pool="",
        class_token=class_token,
        fc_norm=False,
        dynamic_img_size=True,
        **arguments,
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def decoder(**blocks):
    """Tensors of a decoder that is not to be read."""
    names = ["decoder_embed.weight", "mask_token", "decoder_pos_embed", "decoder_norm.weight"]
    names += ["decoder_pred.bias", *blocks.get("names", ["decoder_blocks.0.attn.qkv.weight"])]
    return {name: torch.ones(2, 2) for name in names}


def args():
    return Namespace(lr=1e-3, model="vit", betas=(0.9, 0.95))


def mae(state):
    return {"model": {**state, **decoder()}, "epoch": 3, "args": args()}


def mae_encoder(state):
    return {"model": state}


def cropmae(state):
    names = [f"decoder_blocks.0.{part}.in_proj_weight" for part in ("self_attn", "multihead_attn")]
    return {"model": {**state, **decoder(names=names)}, "args": args(), "scaler": {}}


def rsp(state):
    names = ["decoder_blocks.0.cattn.q.weight", "decoder_blocks.0.attn.qkv.weight"]
    heads = {f"to_{name}.0.weight": torch.ones(2, 2) for name in ("posterior", "prior")}
    return {"model": {**state, **decoder(names=names), **heads}, "args": args()}


def dino(state):
    teacher = {f"backbone.{name}": value for name, value in state.items()}
    teacher["head.mlp.0.weight"] = torch.ones(2, 2)
    other = {f"module.{name}": torch.zeros_like(value) for name, value in teacher.items()}
    loss = {"center": torch.zeros(1, 4)}
    return {"student": other, "teacher": teacher, "epoch": 1, "args": args(), "dino_loss": loss}


def dino_student(state):
    wrapped = {f"module.backbone.{name}": value for name, value in state.items()}
    return {"student": {**wrapped, "module.head.last_layer.weight_v": torch.ones(2, 2)}}


def moco_v3(state):
    found = {f"module.base_encoder.{name}": value for name, value in state.items()}
    found |= {f"module.momentum_encoder.{name}": value * 0 for name, value in state.items()}
    found["module.base_encoder.head.0.weight"] = torch.ones(2, 2)
    found["module.predictor.0.weight"] = torch.ones(2, 2)
    return {"epoch": 300, "arch": "vit_small", "state_dict": found}


def solo_learn(state):
    found = {f"backbone.{name}": value for name, value in state.items()}
    found |= {f"momentum_backbone.{name}": value * 0 for name, value in state.items()}
    found |= {"projector.0.weight": torch.ones(2, 2), "classifier.weight": torch.ones(2, 2)}
    return {"state_dict": {**found, "queue": torch.ones(2, 4)}}


def over_time(weight, frames):
    """A 3D patch embedding whose sum over time is ``weight``, with unequal parts."""
    shares = torch.linspace(0.1, 0.9, frames)
    shares = shares / shares.sum()
    return torch.stack([share * weight for share in shares], dim=2)


def mae_st(state, moments=3):
    """Separate positions and attention; the first moment's position is part of the plain ones."""
    found = {**state, **decoder(names=["decoder_blocks.0.attn.q.weight"])}
    found["patch_embed.proj.weight"] = over_time(state["patch_embed.proj.weight"], 2)
    positions = found.pop("pos_embed")
    moment = torch.randn(1, moments, WIDTH)
    found["pos_embed_class"] = positions[:, :1]
    found["pos_embed_spatial"] = positions[:, 1:] - moment[:, :1]
    found["pos_embed_temporal"] = moment
    for block in range(2):
        for kind in ("weight", "bias"):
            whole = found.pop(f"blocks.{block}.attn.qkv.{kind}")
            for letter, part in zip("qkv", whole.chunk(3), strict=True):
                found[f"blocks.{block}.attn.{letter}.{kind}"] = part
    found |= {"decoder_pos_embed_spatial": torch.ones(2, 2), "decoder_cls_token": torch.ones(2)}
    return {"model_state": found}


def videomae(state):
    """No CLS token, no positions, biases of q and v alone."""
    found = {}
    for name, value in state.items():
        if name.endswith("qkv.bias"):
            start = name.removesuffix("qkv.bias")
            query, _, value = value.chunk(3)
            found[f"{start}q_bias"], found[f"{start}v_bias"] = query, value
        elif name != "pos_embed":
            found[name] = value
    found["patch_embed.proj.weight"] = over_time(state["patch_embed.proj.weight"], 2)
    found = {f"encoder.{name}": value for name, value in found.items()}
    found |= {"decoder.blocks.0.attn.qkv.weight": torch.ones(2, 2), "mask_token": torch.ones(2)}
    return {"model": {**found, "encoder_to_decoder.weight": torch.ones(2, 2)}, "epoch": 1}
