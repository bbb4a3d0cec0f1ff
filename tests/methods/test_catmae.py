"""CatMAE against plain formulas in float64: which frames each restored one attends to."""

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
from siammae.methods.catmae import CatMAE
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.system.errors import ConfigError


def build(**more):
    return CatMAE(**parts(), masking=AsymmetricRandom(0.75), **more)


def plain_losses(weights, images, masks):
    """The authors' decoder: keys are the embedded tokens of all frames before, with positions and a
    vector of each frame's own; a restored frame is there with its CLS token and visible patches."""
    past, *futures = images.double().unbind(1)
    encoder, decoder, head = (part(weights, name) for name in ("encoder", "decoder", "head"))
    places, vectors = positions(4, 16), weights["frame_vectors"]
    keys = linear(decoder, "embed", encode(encoder, past, 8, 4)) + places + vectors[0]
    losses = []
    for number, (future, mask) in enumerate(zip(futures, masks, strict=True), start=1):
        seen = encode(encoder, future, 8, 4, mask.visible)
        tokens = full_set(decoder, seen, mask, places)
        decoded = cross_self(decoder, tokens, keys, 2)
        pixels = linear(head, "pixels", decoded[:, 1:])
        losses.append(restoration_loss(pixels, future, 8, mask.hidden))
        if number < len(vectors):
            own = [
                torch.cat([row[:1], row[1:][where]])
                for row, where in zip(tokens, mask.visible, strict=True)
            ]
            keys = torch.cat([keys, torch.stack(own) + vectors[number]], dim=1)
    return losses


@pytest.mark.parametrize("shares", [(0.8, 1.0), (0.5, 2.0, 1.0)])
def test_loss_and_gradients_are_those_of_plain_formulas(shares):
    model, images = build(weights=shares), frames(1 + len(shares))
    outcome = model(images, generator())
    outcome.total.backward()
    weights = weights_of(model)
    losses = plain_losses(weights, images, [target.mask for target in outcome.targets])
    wanted = sum(share * loss for share, loss in zip(shares, losses, strict=True))
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for number, loss in enumerate(losses, start=1):
        logged = outcome.metrics[f"train/loss_target_{number}"].item()
        assert logged == pytest.approx(loss.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_hidden_patches_between_are_not_seen_and_visible_ones_are():
    model, images = build().eval(), frames(3)
    before = model(images, generator())
    mask = before.targets[0].mask
    for which, seen in ((mask.hidden, False), (mask.visible, True)):
        changed = images.clone()
        row, column = divmod(int(which[0, 0]), 4)
        changed[0, 1, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 1
        after = model(changed, generator())
        same = torch.equal(after.targets[1].prediction.mean, before.targets[1].prediction.mean)
        assert same is not seen


def test_a_pair_is_restored_as_the_first_two_frames_are():
    model, images = build().eval(), frames(3)
    pair, whole = model(images[:, :2], generator()), model(images, generator())
    assert torch.equal(pair.targets[0].prediction.mean, whole.targets[0].prediction.mean)
    with pytest.raises(ValueError, match="3 future frames and 2 weights"):
        model(frames(4), generator())


def test_the_settings_are_the_authors(settings_of):
    settings = settings_of("method=catmae", "preset=gpu")
    model = build_model(settings)
    assert isinstance(model, CatMAE)
    targets, augment = settings.build("targets"), settings.build("augment")
    assert (model.weights, settings.mask_ratio, settings.frame_gap) == ((0.8, 1.0), 0.95, [4, 48])
    assert (targets.spacing, targets.count, targets.gap_embedding) == ("chained", 2, "none")
    assert (augment.shared_crop, augment.crop_scale) == (False, (0.5, 1.0))
    assert (model.decoder.width, len(model.decoder.layers), model.decoder.heads) == (256, 4, 4)
    assert model.decoder.memory_positions
    layer = model.decoder.layers[0]
    assert list(layer.sublayers) == ["cross", "mlp", "self"]
    assert (layer.pre, layer.sublayers["mlp"].layers[0].out_features) == (False, 2048)
    assert not list(model.decoder.memory_norm.parameters())


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["decoder=joint"], ["method", "decoder=catmae", "uncertainty=none"]),
        (["uncertainty=ensemble"], ["method", "uncertainty=none"]),
        (["encoding=joint"], ["method", "encoding=siamese"]),
        (["method.weights=[0,0]"], ["weights [0, 0]", "above 0"]),
        (["targets.count=3"], ["targets: 4 frames", "method=catmae takes 3", "targets.count=2"]),
        (["targets=single"], ["targets: 2 frames", "method=catmae takes 3"]),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(settings_of, overrides, words):
    with pytest.raises(ConfigError) as told:
        settings_of("method=catmae", *overrides)
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1
