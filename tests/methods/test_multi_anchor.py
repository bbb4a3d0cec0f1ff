"""Several past frames as keys, against plain formulas in float64."""

import pytest
import torch
from plain_vit import (
    assert_same_gradients,
    cross_self,
    encode,
    full_set,
    linear,
    part,
    positions,
    restoration_loss,
    weights_of,
)
from small_parts import frames, generator, parts

from siammae.assembly.build import build_model
from siammae.methods.multi_anchor import MultiAnchor
from siammae.methods.siammae import SiamMAE
from siammae.model.masking.uniform import AsymmetricRandom, SymmetricRandom
from siammae.system.errors import ConfigError


def build(kind=MultiAnchor, masking=AsymmetricRandom, **more):
    return kind(**parts(), masking=masking(0.75), **more)


def plain_loss(weights, images, mask):
    """Keys are the embedded tokens of all frames but the last, with positions and the vector of the
    frame's number, counted from the last frame backwards."""
    *past, last = images.double().unbind(1)
    encoder, decoder, head = (part(weights, name) for name in ("encoder", "decoder", "head"))
    places, vectors = positions(4, 16), weights["frame_vectors"]
    keys = [
        linear(decoder, "embed", encode(encoder, frame, 8, 4)) + places + vectors[len(past) - 1 - i]
        for i, frame in enumerate(past)
    ]
    tokens = full_set(decoder, encode(encoder, last, 8, 4, mask.visible), mask, places)
    decoded = cross_self(decoder, tokens, torch.cat(keys, dim=1), 2)
    return restoration_loss(linear(head, "pixels", decoded[:, 1:]), last, 8, mask.hidden)


@pytest.mark.parametrize(("anchors", "given"), [(1, 1), (2, 2), (3, 3), (3, 1), (3, 2)])
def test_loss_and_gradients_are_those_of_plain_formulas(anchors, given):
    model, images = build(anchors=anchors), frames(given + 1)
    outcome = model(images, generator())
    outcome.total.backward()
    (target,) = outcome.targets
    weights = weights_of(model)
    wanted = plain_loss(weights, images, target.mask)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_of_one_anchor_whose_vector_is_zero_it_is_siammae():
    """The same initial weights, draws and predictions, bit for bit."""
    one, pair = build(anchors=1), build(SiamMAE)
    with torch.no_grad():
        one.frame_vectors.zero_()
    found, wanted = one(frames(2), generator()), pair(frames(2), generator())
    assert torch.equal(found.targets[0].mask.hidden, wanted.targets[0].mask.hidden)
    assert torch.equal(found.targets[0].prediction.mean, wanted.targets[0].prediction.mean)
    assert torch.equal(found.loss, wanted.loss)


def test_every_anchor_is_used_and_their_order_matters():
    model, images = build(anchors=2).eval(), frames(3)
    before = model(images, generator()).targets[0].prediction.mean
    for anchor in (0, 1):
        changed = images.clone()
        changed[:, anchor] += torch.randn(3, 32, 32)
        assert not torch.allclose(before, model(changed, generator()).targets[0].prediction.mean)
    swapped = model(images[:, [1, 0, 2]], generator()).targets[0].prediction.mean
    assert not torch.allclose(before, swapped)


def test_with_symmetric_masking_each_anchor_has_a_mask_of_its_own():
    model = build(masking=SymmetricRandom, anchors=2)
    seen, encode_past = [], model.encoding.encode_past

    def noted(encoder, patches, mask):
        seen.append(mask.visible)
        return encode_past(encoder, patches, mask)

    model.encoding.encode_past = noted
    model(frames(3), generator()).loss.backward()
    assert [visible.shape for visible in seen] == [(3, 4), (3, 4)]
    assert not torch.equal(*seen)
    assert model.frame_vectors.grad.abs().amax(dim=(1, 2, 3)).min() > 0


def test_pictures_show_all_past_frames_and_the_last_hidden_and_restored():
    model, images = build(anchors=3).eval(), frames(4)
    columns = model.columns(images, model(images, generator()), torch.tensor([[1, 2, 3]] * 3))
    assert len(columns) == 3 + 3
    for number, column in enumerate(columns[:3]):
        assert torch.equal(column.images, images[:, number])
    assert torch.equal(columns[-1].images, images[:, 3])


@pytest.mark.parametrize("count", [1, 4])
def test_frames_without_a_vector_are_refused(count):
    with pytest.raises(ValueError, match=f"{count - 1} past frames, and there are vectors for 1"):
        build(anchors=2)(frames(count), generator())


def test_the_settings_are_those_of_siammae_with_a_chain_of_frames(settings_of):
    settings = settings_of("method=multi_anchor", "targets.count=3")
    model, targets = build_model(settings), settings.build("targets")
    assert isinstance(model, MultiAnchor)
    assert (model.frames, len(model.frame_vectors)) == (4, 3)
    assert (targets.spacing, targets.gap_embedding, settings.mask_ratio) == (
        "chained",
        "none",
        0.95,
    )
    assert not set(build_model(settings_of()).state_dict()) - set(model.state_dict())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["decoder=joint"], ["MultiAnchor", "decoder=cross_self or cross", "uncertainty=none"]),
        (["uncertainty=ensemble"], ["method", "uncertainty=none"]),
        (["encoding=joint"], ["method", "encoding=siamese"]),
        (["method.anchors=0"], ["anchors 0", "one past frame"]),
        (
            ["method.anchors=3"],
            ["targets: 3 frames", "method=multi_anchor takes 4", "targets.count=3"],
        ),
        (["targets=single"], ["targets.count"]),
        (["targets.gap_embedding=learned"], ["targets.gap_embedding=learned", "multi_anchor does"]),
        (["targets.loss_gap_power=1"], ["targets.loss_gap_power=1", "does not use it"]),
        (["targets.predict=true"], ["targets.predict=true", "does not use it"]),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(settings_of, overrides, words):
    with pytest.raises(ConfigError) as told:
        settings_of("method=multi_anchor", *overrides)
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1
