"""Attention weights against the softmax by hand, for our encoder and for timm's."""

import pytest
import timm
import torch
from torch import nn

from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.pictures.cls_attention import LastAttention, cls_attention
from siammae.model.encoder import Encoder
from siammae.system.errors import DataError

CPU = torch.device("cpu")


class Timm(nn.Module):
    """A ViT of timm with the two things that `EncoderFeatures` asks of an encoder."""

    def __init__(self, name: str, **options):
        super().__init__()
        self.model = timm.create_model(name, pretrained=False, dynamic_img_size=True, **options)
        self.patch_size = self.model.patch_embed.patch_size[0]

    def features(self, images):
        return self.model.forward_features(images)[:, self.model.num_prefix_tokens :]


def small(name="vit_tiny_patch16_224", **options):
    torch.manual_seed(0)
    return Timm(name, img_size=64, embed_dim=48, depth=2, num_heads=4, **options).eval()


def ours(heads=4):
    torch.manual_seed(0)
    return Encoder(image_size=32, patch_size=8, width=32, depth=3, heads=heads).eval()


@torch.inference_mode()
def by_hand(block, tokens):
    """softmax(q k^T / sqrt(d)) of a block's input, head by head, in float64."""
    x = block.norm1(tokens).double()
    weight, bias = block.attn.qkv.weight.double(), block.attn.qkv.bias.double()
    width, heads = x.shape[-1], block.attn.num_heads
    query, key = (x @ weight.T + bias)[..., : 2 * width].split(width, dim=-1)
    per_head = []
    for q, k in zip(query.chunk(heads, -1), key.chunk(heads, -1), strict=True):
        scores = torch.exp(q @ k.transpose(1, 2) / (width // heads) ** 0.5)
        per_head.append(scores / scores.sum(-1, keepdim=True))
    return torch.stack(per_head, dim=1)


@pytest.mark.parametrize("size", [(32, 32), (24, 40), (192, 192)])  # the last: 577 tokens, fused
def test_ours_equals_the_softmax_by_hand(size):
    encoder = ours()
    images = torch.randn(2, 3, *size)
    seen = []
    hook = encoder.blocks[-1].register_forward_pre_hook(lambda block, x: seen.append(x[0]))
    with LastAttention(encoder) as last:
        encoder.features(images)
    hook.remove()
    wanted = by_hand(encoder.blocks[-1], seen[0])
    assert last.weights.shape == wanted.shape
    assert torch.allclose(last.weights.double(), wanted, atol=1e-6)
    assert torch.allclose(last.weights.sum(-1), torch.ones(()), atol=1e-5)
    shown = cls_attention(encoder, EncoderFeatures(encoder, CPU), images)
    assert torch.allclose(shown.double(), wanted[:, :, 0, 1:], atol=1e-6)


@pytest.mark.parametrize(("tokens", "prefix"), [({}, 1), ({"reg_tokens": 4}, 5)])
def test_timm_with_and_without_registers(tokens, prefix):
    encoder = small(**tokens)
    images = torch.randn(1, 3, 64, 96)
    seen = []
    hook = encoder.model.blocks[-1].register_forward_pre_hook(lambda block, x: seen.append(x[0]))
    shown = cls_attention(encoder, EncoderFeatures(encoder, CPU), images)
    hook.remove()
    wanted = by_hand(encoder.model.blocks[-1], seen[0])
    assert shown.shape == (1, 4, 24)
    assert torch.allclose(shown.double(), wanted[:, :, 0, prefix:], atol=1e-6)


def test_rotary_positions_count():
    encoder = small("eva02_tiny_patch14_224", patch_size=16, use_abs_pos_emb=False)
    images = torch.randn(1, 3, 64, 64)
    images[:] = images[:, :, :1, :1]  # all patches alike: only positions can tell them apart
    with LastAttention(encoder) as last:
        encoder.features(images)
    from_patch = last.weights[0, 0, 6, 1:]
    assert from_patch.max() - from_patch.min() > 1e-4


def test_without_a_cls_token_the_patches_are_averaged():
    encoder = small(class_token=False, global_pool="avg")
    images = torch.randn(1, 3, 64, 64)
    shown = cls_attention(encoder, EncoderFeatures(encoder, CPU), images)
    assert shown.shape == (1, 4, 16)
    assert torch.allclose(shown.sum(-1), torch.ones(()), atol=1e-5)


def test_the_encoder_is_left_as_it_was():
    encoder = ours()
    images = torch.randn(1, 3, 192, 192)
    before = encoder.features(images)
    fused = encoder.blocks[-1].attn.fused_attn
    cls_attention(encoder, EncoderFeatures(encoder, CPU), images)
    assert encoder.blocks[-1].attn.fused_attn is fused
    assert torch.equal(encoder.features(images), before)
    assert not any(module._forward_hooks for module in encoder.modules())


def test_an_encoder_without_such_attention_is_named():
    with pytest.raises(DataError, match="Conv2d has no attention of timm's kind"):
        LastAttention(nn.Conv2d(3, 3, 1))
