"""Siamese and joint encoding, against the ViT's parts called by hand."""

import pytest
import torch
import torch.nn.functional as F
from masks import masks_of

from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.encoder import Encoder
from siammae.model.encoding import JointEncoding, SiameseEncoding
from siammae.model.heads import PixelMean
from siammae.model.masking.grid import AsymmetricGrid
from siammae.model.masking.uniform import AsymmetricRandom, SymmetricRandom
from siammae.model.patches import patchify

DECODERS = [CrossSelfDecoder, CrossDecoder, JointDecoder]
MASKINGS = [AsymmetricRandom, SymmetricRandom, AsymmetricGrid]


def build(encoding, decoder=CrossSelfDecoder, masking=AsymmetricRandom):
    torch.manual_seed(0)
    return SiamMAE(
        Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        decoder(image_size=32, patch_size=8, encoder_width=32, width=16, depth=2, heads=2),
        PixelMean(width=16, patch_size=8),
        masking(0.75),
        encoding,
    )


@pytest.fixture
def joint():
    torch.manual_seed(1)
    encoding = JointEncoding(32)
    torch.nn.init.normal_(encoding.future_embedding)  # as if learned
    return encoding


def frames():
    return torch.randn(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def parts(model, masking):
    """Patches and masks of both frames."""
    patches = [patchify(frame, 8) for frame in frames().unbind(1)]
    return patches, masks_of(masking(0.75), frames(), 8, torch.Generator().manual_seed(5))


def token(encoder, patch, place):
    """One token before the first block: a convolution over one patch, and its position."""
    pixels = patch.view(1, 3, 8, 8)
    return (
        F.conv2d(pixels, *encoder.patch_embed.proj.parameters(), stride=8).flatten()
        + (encoder.pos_embed[0, 1 + place])
    )


def by_hand(model, patches, masks):
    """Each frame's tokens before the first block, one by one in a loop."""
    encoder = model.encoder
    frames = []
    for patch, mask in zip(patches, masks, strict=True):
        rows = []
        for sample in range(len(patch)):
            cls = encoder.cls_token[0, 0] + encoder.pos_embed[0, 0]
            seen = [token(encoder, patch[sample, i], i) for i in mask.visible[sample].tolist()]
            rows.append(torch.stack([cls, *seen]))
        frames.append(torch.stack(rows))
    return frames


def through_blocks(encoder, tokens, allowed=None):
    """timm's blocks written out: attention may be cut to ``allowed`` (M, M)."""
    for block in encoder.blocks:
        b, m, d = tokens.shape
        heads = block.attn.num_heads
        qkv = F.linear(block.norm1(tokens), block.attn.qkv.weight, block.attn.qkv.bias)
        q, k, v = qkv.view(b, m, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (d // heads) ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, float("-inf"))
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        tokens = tokens + block.attn.proj(mixed)
        tokens = tokens + block.mlp(block.norm2(tokens))
    return encoder.norm(tokens)


@pytest.mark.parametrize("masking", MASKINGS)
def test_siamese_is_the_encoder_called_twice(masking):
    """Bit for bit what the method computed before the encoding was a choice."""
    model = build(SiameseEncoding(), masking=masking)
    patches, masks = parts(model, masking)
    past, future = model.encoding(model.encoder, patches, masks)
    whole = masking is not SymmetricRandom
    assert torch.equal(past, model.encoder(patches[0], None if whole else masks[0].visible))
    assert torch.equal(future, model.encoder(patches[1], masks[1].visible))


def test_siamese_is_the_default_and_has_no_parameters():
    assert not list(SiameseEncoding().parameters())
    one, other = build(None), build(SiameseEncoding())
    assert one.state_dict().keys() == other.state_dict().keys()
    drawn = [model(frames(), torch.Generator().manual_seed(5)) for model in (one, other)]
    assert torch.equal(drawn[0].loss, drawn[1].loss)


@pytest.mark.parametrize("masking", MASKINGS)
def test_joint_is_the_vit_over_both_frames_in_one_sequence(joint, masking):
    model = build(joint, masking=masking)
    patches, masks = parts(model, masking)
    past, future = by_hand(model, patches, masks)
    sequence = torch.cat([past, future + joint.future_embedding], dim=1)
    expected = through_blocks(model.encoder, sequence)
    encoded = joint(model.encoder, patches, masks)
    assert [len(frame[0]) for frame in encoded] == [len(past[0]), len(future[0])]
    torch.testing.assert_close(torch.cat(encoded, 1), expected, atol=1e-5, rtol=1e-4)


def test_without_attention_between_the_frames_joint_would_be_siamese(joint):
    """The one difference: cut it, with no embedding, and each frame is encoded alone."""
    model = build(JointEncoding(32, future_embedding=False))
    patches, masks = parts(model, AsymmetricRandom)
    tokens = by_hand(model, patches, masks)
    which = torch.cat([torch.full((frame.shape[1],), i) for i, frame in enumerate(tokens)])
    cut = through_blocks(model.encoder, torch.cat(tokens, 1), which[:, None] == which)
    alone = torch.cat(SiameseEncoding()(model.encoder, patches, masks), 1)
    torch.testing.assert_close(alone, cut, atol=1e-5, rtol=1e-4)
    together = torch.cat(model.encoding(model.encoder, patches, masks), 1)
    assert not torch.allclose(together, cut, atol=1e-2)


@pytest.mark.parametrize(("changed", "other"), [(0, 1), (1, 0)])
def test_each_frame_sees_the_other(joint, changed, other):
    model = build(joint)
    patches, masks = parts(model, AsymmetricRandom)
    before = joint(model.encoder, patches, masks)[other]
    patches[changed] = patches[changed] + 1
    assert not torch.allclose(joint(model.encoder, patches, masks)[other], before, atol=1e-3)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("masking", MASKINGS)
def test_joint_trains_with_every_decoder_and_masking(joint, decoder, masking):
    model = build(joint, decoder, masking)
    model(frames(), torch.Generator().manual_seed(5)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("decoder", DECODERS)
def test_hidden_pixels_never_reach_the_prediction(joint, decoder):
    model = build(joint, decoder, SymmetricRandom).eval()
    images = frames()
    before = model(images, torch.Generator().manual_seed(5))
    changed = images.clone()
    for which, mask in enumerate((before.past, before.targets[0].mask)):
        for sample in range(2):
            for patch in mask.hidden[sample].tolist():
                row, column = divmod(patch, 4)
                changed[sample, which, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 7.0
    after = model(changed, torch.Generator().manual_seed(5))
    assert torch.equal(before.targets[0].prediction.mean, after.targets[0].prediction.mean)


def test_a_single_frame_is_encoded_as_a_past_frame_is(joint):
    """The embedding is the future frame's alone: at evaluation there is none."""
    model = build(joint)
    patches, masks = parts(model, AsymmetricRandom)
    (lone,) = joint(model.encoder, patches[:1], masks[:1])
    assert torch.equal(lone[:, 1:], model.encoder.features(frames()[:, 0]))


def test_the_embedding_is_outside_of_the_encoder(joint):
    model = build(joint)
    siamese = build(SiameseEncoding())
    assert model.encoder.state_dict().keys() == siamese.encoder.state_dict().keys()
    more = set(model.state_dict()) - set(siamese.state_dict())
    assert more == {"encoding.future_embedding"}
    assert not list(JointEncoding(32, future_embedding=False).parameters())


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_the_embedding_is_a_switch(value):
    with pytest.raises(ValueError, match=r"future_embedding=.* is neither true nor false"):
        JointEncoding(32, future_embedding=value)
