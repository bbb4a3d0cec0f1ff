"""What attends to what, proven by changing one token and looking at what changes."""

import pytest
import torch

from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.pair import FrameMask

GRID, WIDTH = 4, 16


def build(kind, **arguments):
    torch.manual_seed(0)
    decoder = kind(
        image_size=32, patch_size=8, encoder_width=24, width=WIDTH, depth=2, heads=2, **arguments
    )
    return decoder.double().eval()


def inputs():
    torch.manual_seed(1)
    patches = torch.arange(GRID * GRID)
    past_mask = FrameMask(patches.expand(1, -1), patches[:0].expand(1, -1))
    future_mask = FrameMask(
        torch.tensor([[3, 8]]), torch.tensor([[i for i in patches if i not in (3, 8)]])
    )
    past = torch.randn(1, 17, 24, dtype=torch.double)
    future = torch.randn(1, 3, 24, dtype=torch.double)
    return past, future, past_mask, future_mask


def changed_by(decoder, which, token):
    """Which of the 14 hidden patches' outputs change when one input token does."""
    past, future, past_mask, future_mask = inputs()
    before = decoder(past, future, past_mask, future_mask)
    assert before.shape == (1, 14, WIDTH)
    tokens = {"past": past.clone(), "future": future.clone()}
    tokens[which][0, token] += 1.0
    after = decoder(tokens["past"], tokens["future"], past_mask, future_mask)
    return ((after - before).abs().amax(-1) > 1e-9)[0]


DECODERS = [CrossSelfDecoder, CrossDecoder, JointDecoder]


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("token", [0, 1, 16])
def test_every_hidden_patch_sees_every_past_token(kind, token):
    assert changed_by(build(kind), "past", token).all()


@pytest.mark.parametrize("kind", [CrossSelfDecoder, JointDecoder])
@pytest.mark.parametrize("token", [0, 1, 2])
def test_self_attention_sees_the_visible_future(kind, token):
    assert changed_by(build(kind), "future", token).all()


@pytest.mark.parametrize("token", [0, 1, 2])
def test_cross_decoder_sees_the_past_only(token):
    assert not changed_by(build(CrossDecoder), "future", token).any()


def test_past_cls_can_be_left_out():
    assert changed_by(build(CrossSelfDecoder), "past", 0).all()
    assert not changed_by(build(CrossSelfDecoder, memory_cls=False), "past", 0).any()
    assert changed_by(build(CrossSelfDecoder, memory_cls=False), "past", 1).all()


@pytest.mark.parametrize("kind", [CrossSelfDecoder, CrossDecoder])
def test_memory_positions_tell_where_a_past_token_was(kind):
    """Without positions the past is a set: exchanging two tokens changes nothing."""
    past, future, past_mask, future_mask = inputs()
    swapped = past[:, [0, 2, 1, *range(3, 17)]]
    for positions in (True, False):
        decoder = build(kind, memory_positions=positions)
        same = torch.allclose(
            decoder(past, future, past_mask, future_mask),
            decoder(swapped, future, past_mask, future_mask),
            atol=1e-12,
        )
        assert same is not positions


def test_frame_embedding_tells_the_frames_apart():
    """With it, and only with it, exchanging the frames of the joint decoder matters."""
    torch.manual_seed(2)
    tokens = [torch.randn(1, 3, 24, dtype=torch.double) for _ in range(2)]
    mask = inputs()[3]
    for embedding in (True, False):
        decoder = build(JointDecoder, frame_embedding=embedding)
        hidden_past = decoder.full_set(tokens[0], mask)
        hidden_future = decoder.full_set(tokens[1], mask)
        assert hidden_past.shape == hidden_future.shape == (1, 17, WIDTH)
        forward = decoder(tokens[0], tokens[1], mask, mask)
        backward = decoder(tokens[1], tokens[0], mask, mask)
        assert torch.allclose(forward, backward, atol=1e-12) is not embedding


@pytest.mark.parametrize("kind", DECODERS)
def test_output_follows_the_order_of_the_hidden_index(kind):
    decoder = build(kind)
    past, future, past_mask, future_mask = inputs()
    shuffled = torch.randperm(14)
    expected = decoder(past, future, past_mask, future_mask)[:, shuffled]
    mask = FrameMask(future_mask.visible, future_mask.hidden[:, shuffled])
    torch.testing.assert_close(decoder(past, future, past_mask, mask), expected)


@pytest.mark.parametrize("kind", DECODERS)
def test_a_masked_past_is_accepted(kind):
    past, future, _, future_mask = inputs()
    past_mask = FrameMask(
        torch.tensor([[1, 2]]), torch.tensor([[i for i in range(16) if i not in (1, 2)]])
    )
    assert build(kind)(past[:, :3], future, past_mask, future_mask).shape == (1, 14, WIDTH)


def reference_cross_self(decoder, past, future, past_mask, future_mask, order):
    """Pre-norm layers written with torch's own multi-head attention."""
    import torch.nn.functional as F

    memory = decoder.place(decoder.embed(past), past_mask.visible)
    memory = decoder.memory_norm(memory)
    x = decoder.full_set(future, future_mask)
    layers = len(decoder.layers)
    weights = decoder.memory_to_kv.weight.view(layers, 2, WIDTH, WIDTH)
    biases = decoder.memory_to_kv.bias.view(layers, 2, WIDTH)
    for i, layer in enumerate(decoder.layers):
        for name in order:
            h = layer.norms[name](x)
            part = layer.sublayers[name]
            if name == "mlp":
                h = part.layers(h)
            else:
                attention = torch.nn.MultiheadAttention(WIDTH, 2, batch_first=True).double()
                if name == "self":
                    attention.in_proj_weight.data = part.qkv.weight.data
                    attention.in_proj_bias.data = part.qkv.bias.data
                else:
                    attention.in_proj_weight.data = torch.cat([part.query.weight, *weights[i]]).data
                    attention.in_proj_bias.data = torch.cat([part.query.bias, *biases[i]]).data
                attention.out_proj.weight.data = part.out.weight.data
                attention.out_proj.bias.data = part.out.bias.data
                source = h if name == "self" else memory
                h = attention(h, source, source, need_weights=False)[0]
            x = x + h
    return F.layer_norm(x[:, -14:], (WIDTH,), decoder.norm.weight, decoder.norm.bias, 1e-6)


@pytest.mark.parametrize("order", [("cross", "self", "mlp"), ("cross", "mlp", "self")])
def test_equal_to_torch_multihead_attention(order):
    decoder = build(CrossSelfDecoder, order=order)
    torch.testing.assert_close(
        decoder(*inputs()), reference_cross_self(decoder, *inputs(), order), atol=1e-10, rtol=1e-8
    )


def test_post_norm_layers_without_a_norm_of_the_past_are_torchs():
    """As CropMAE's decoder has them, but for the order of sub-layers, which is torch's here."""
    decoder = build(
        CrossSelfDecoder,
        order=("self", "cross", "mlp"),
        norm="post",
        memory_norm=False,
        mlp_ratio=8,
    )
    past, future, past_mask, future_mask = inputs()
    memory = decoder.place(decoder.embed(past), past_mask.visible)
    x = decoder.full_set(future, future_mask)
    of_memory = (decoder.memory_to_kv.weight.chunk(2), decoder.memory_to_kv.bias.chunk(2))
    for layer, weight, bias in zip(decoder.layers, *of_memory, strict=True):
        own, cross = layer.sublayers["self"], layer.sublayers["cross"]
        torchs = torch.nn.TransformerDecoderLayer(
            WIDTH, 2, 8 * WIDTH, dropout=0.0, activation="gelu", layer_norm_eps=1e-6,
            batch_first=True,
        ).double()  # fmt: skip
        attentions = {torchs.self_attn: own, torchs.multihead_attn: cross}
        torchs.self_attn.in_proj_weight.data = own.qkv.weight.data
        torchs.self_attn.in_proj_bias.data = own.qkv.bias.data
        torchs.multihead_attn.in_proj_weight.data = torch.cat([cross.query.weight, weight]).data
        torchs.multihead_attn.in_proj_bias.data = torch.cat([cross.query.bias, bias]).data
        for attention, sublayer in attentions.items():
            attention.out_proj.load_state_dict(sublayer.out.state_dict())
        torchs.linear1.load_state_dict(layer.sublayers["mlp"].layers[0].state_dict())
        torchs.linear2.load_state_dict(layer.sublayers["mlp"].layers[2].state_dict())
        x = torchs(x, memory)
    torch.testing.assert_close(
        decoder(past, future, past_mask, future_mask), decoder.norm(x[:, -14:]),
        atol=1e-10, rtol=1e-8,
    )  # fmt: skip


def test_order_and_norm_change_the_result():
    outputs = [
        build(CrossSelfDecoder, order=order, norm=norm)(*inputs())
        for order in (("cross", "self", "mlp"), ("cross", "mlp", "self"))
        for norm in ("pre", "post")
    ]
    for i, one in enumerate(outputs):
        for other in outputs[i + 1 :]:
            assert not torch.allclose(one, other)


def test_dropout_acts_in_training_only():
    decoder = build(CrossSelfDecoder, dropout=0.5)
    given = inputs()
    assert torch.equal(decoder(*given), decoder(*given))
    decoder.train()
    assert not torch.equal(decoder(*given), decoder(*given))


@pytest.mark.parametrize("order", [["cross"], ["cross", "mlp"], ["cross", "self", "self", "mlp"]])
def test_a_wrong_order_is_refused(order):
    with pytest.raises(ValueError, match="must name each of"):
        build(CrossSelfDecoder, order=order)
    with pytest.raises(ValueError, match="neither 'pre' nor 'post'"):
        build(CrossDecoder, norm="none")
    with pytest.raises(ValueError, match=r"mlp_ratio 0\.01 leaves no unit of 16 channels"):
        build(CrossDecoder, mlp_ratio=0.01)
