"""MAE against plain formulas in float64, and its settings."""

import pytest
import torch
from plain_vit import (
    assert_same_gradients,
    blocks,
    encode,
    full_set,
    layer_norm,
    linear,
    part,
    positions,
    restoration_loss,
    weights_of,
)

from siammae.assembly.build import build_model
from siammae.methods.mae import MAE
from siammae.model.batch_draws import Part
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.self_decoder import SelfDecoder


def build(ratio=0.75):
    torch.manual_seed(0)
    return MAE(
        Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        SelfDecoder(image_size=32, patch_size=8, encoder_width=32, width=16, depth=2, heads=2),
        PixelMean(width=16, patch_size=8),
        ratio,
    )


def frames(batch=3, views=1):
    return torch.randn(batch, views, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def generator():
    return torch.Generator().manual_seed(5)


def plain_loss(weights, images, mask):
    """He et al.: mask tokens take the hidden places among the visible tokens, in the frame's own
    order, all get positions, and the squared error counts at hidden places alone."""
    images = images.double()
    latent = encode(part(weights, "encoder"), images, 8, 4, mask.visible)
    decoder = part(weights, "decoder")
    tokens = full_set(decoder, latent, mask, positions(4, 16))
    decoded = layer_norm(decoder, "norm", blocks(decoder, tokens, 2))
    pixels = linear(part(weights, "head"), "pixels", decoded[:, 1:])
    return restoration_loss(pixels, images, 8, mask.hidden)


def test_loss_and_gradients_are_those_of_plain_formulas():
    model, images = build(), frames()
    outcome = model(images, generator())
    outcome.total.backward()
    weights = weights_of(model)
    wanted = plain_loss(weights, images[:, 0], outcome.targets[0].mask)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_every_frame_counts_alike_and_is_masked_on_its_own():
    model, images = build(), frames(views=2)
    outcome = model(images, generator())
    one, other = outcome.targets
    assert not torch.equal(one.mask.hidden, other.mask.hidden)
    losses = [
        plain_loss(weights_of(model), images[:, i], t.mask) for i, t in enumerate((one, other))
    ]
    assert outcome.loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    assert [one.mask.visible.shape[1], one.mask.hidden.shape[1]] == [4, 12]


def test_masks_do_not_depend_on_the_parts_of_a_batch():
    model, images = build(), frames(batch=4)
    whole = model(images, generator()).targets[0].mask.hidden
    parts = [
        model(images[2 * i : 2 * i + 2], generator(), Part(i, 2)).targets[0].mask.hidden
        for i in range(2)
    ]
    assert torch.equal(torch.cat(parts), whole)


def test_the_preset_of_the_method_is_the_papers(settings_of):
    settings = settings_of("method=mae", "preset=gpu")
    model = build_model(settings)
    assert isinstance(model, MAE)
    assert model.ratio == 0.75
    assert (model.decoder.width, len(model.decoder.blocks)) == (512, 8)
    assert settings.decoder.heads == 16
    assert (settings.masking, settings.encoding, settings.frame_gap) == (None, None, None)
