"""ToBo against plain formulas in float64: both restorations, and which tokens each knows."""

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
from small_parts import frames, parts

from siammae.assembly.build import build_model
from siammae.methods.tobo import ToBo
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.system.errors import ConfigError


def build(**weights):
    return ToBo(**parts(), masking=AsymmetricRandom(0.75), **weights)


def plain_losses(weights, images, mask):
    """The authors' two paths: with cross-attention to all past tokens; without it, the past CLS
    token standing in the place of the future frame's."""
    past, future = images.double().unbind(1)
    encoder, decoder, head = (part(weights, name) for name in ("encoder", "decoder", "head"))
    places = positions(4, 16)
    memory = encode(encoder, past, 8, 4)
    seen = encode(encoder, future, 8, 4, mask.visible)
    keys = linear(decoder, "embed", memory) + places
    squeezed = torch.cat([memory[:, :1], seen[:, 1:]], dim=1)
    losses = []
    for tokens, kept in ((seen, keys), (squeezed, None)):
        decoded = cross_self(decoder, full_set(decoder, tokens, mask, places), kept, 2)
        pixels = linear(head, "pixels", decoded[:, 1:])
        losses.append(restoration_loss(pixels, future, 8, mask.hidden))
    return losses


@pytest.mark.parametrize("ratio", [(1.0, 1.0), (0.5, 2.0)])
def test_loss_and_gradients_are_those_of_plain_formulas(ratio):
    model, images = build(restoration_weight=ratio[0], bottleneck_weight=ratio[1]), frames()
    outcome = model(images, torch.Generator().manual_seed(5))
    outcome.total.backward()
    weights = weights_of(model)
    whole, squeezed = plain_losses(weights, images, outcome.targets[0].mask)
    wanted = ratio[0] * whole + ratio[1] * squeezed
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert outcome.metrics["train/bottleneck_loss"].item() == pytest.approx(
        squeezed.item(), rel=1e-5
    )
    assert_same_gradients(model, weights)


def test_the_settings_are_the_authors(settings_of):
    settings = settings_of("method=tobo")
    assert isinstance(build_model(settings), ToBo)
    assert (settings.mask_ratio, settings.frame_gap) == (0.9, [4, 96])
    with pytest.raises(ConfigError, match="decoder=cross_self uncertainty=none"):
        settings_of("method=tobo", "decoder=joint")
    for weights in ((-1, 1), (0, 0)):
        given = zip(("restoration_weight", "bottleneck_weight"), weights, strict=True)
        with pytest.raises(ConfigError, match="must not be negative, and one above 0"):
            settings_of("method=tobo", *(f"method.{key}={value}" for key, value in given))
