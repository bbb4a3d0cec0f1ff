"""RSP against plain formulas in float64: prediction, divergence, restoration, and the latent."""

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
from siammae.methods.rsp import RSP
from siammae.model.batch_draws import Draws, Part
from siammae.system.errors import ConfigError

VARIABLES, CATEGORIES = 3, 5


def build(**more):
    sizes = {"variables": VARIABLES, "categories": CATEGORIES}
    return RSP(**parts(), ratio=0.75, **sizes, **more)


def perceptron(weights, name, x):
    return linear(weights, f"{name}.2", linear(weights, f"{name}.0", x).clamp(min=0))


def divergence(one, other):
    """Of categorical variables, summed over them and averaged over the batch, by definition."""
    one, other = (torch.log_softmax(x.view(-1, VARIABLES, CATEGORIES), -1) for x in (one, other))
    return (one.exp() * (one - other)).sum((1, 2)).mean()


def plain_loss(model, weights, images, mask, noise, chosen):
    past, future = images.double().unbind(1)
    encoder, decoder = part(weights, "encoder"), part(weights, "decoder")
    places = positions(4, 16)
    memory, of_future = encode(encoder, past, 8, 4), encode(encoder, future + noise, 8, 4)
    both = torch.cat([memory[:, 0], of_future[:, 0]], -1)
    posterior, prior = (
        perceptron(weights, "to_posterior", both),
        perceptron(weights, "to_prior", memory[:, 0]),
    )
    kl = 0.2 * divergence(posterior, prior.detach()) + 0.8 * divergence(posterior.detach(), prior)
    shares = torch.softmax(posterior.view(-1, VARIABLES, CATEGORIES), -1)
    latent = (chosen + shares - shares.detach()).flatten(1)
    past_keys = linear(weights, "embed_past", memory) + places
    keys = torch.cat([linear(weights, "embed_latent", latent).unsqueeze(1), past_keys], 1)
    queries = (decoder["mask_token"][0] + places).expand(len(images), -1, -1)
    seen = full_set(decoder, encode(encoder, future, 8, 4, mask.visible), mask, places)
    every = torch.arange(16).expand(len(images), -1)
    losses = []
    for memory_of, hidden in ((keys, every), (seen, mask.hidden)):
        decoded = cross_self(decoder, queries, memory_of, 2)
        pixels = linear(part(weights, "head"), "pixels", decoded[:, 1:])
        losses.append(restoration_loss(pixels, future, 8, hidden))
    return losses[0] + model.kl_weight * kl.clamp(min=model.kl_free) + losses[1]


@pytest.mark.parametrize("free", [0.0, 100.0])
def test_loss_and_gradients_are_those_of_plain_formulas(free):
    model, images = build(kl_free=free, kl_weight=0.3), frames()
    generator = torch.Generator().manual_seed(5)
    draws = Draws(torch.Generator().manual_seed(5), images.device)
    noise = 0.5 * draws.randn(3, 3, 32, 32).double()
    kept = []
    model.sample, sample = lambda *given: kept.append(sample(*given)) or kept[0], model.sample
    outcome = model(images, generator)
    outcome.total.backward()
    weights = weights_of(model)
    chosen = kept[0].detach().view(3, VARIABLES, CATEGORIES).round().double()
    wanted = plain_loss(model, weights, images, outcome.targets[1].mask, noise, chosen)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_the_latent_is_drawn_by_its_probabilities():
    model = build()
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5] * VARIABLES).expand(4000, -1)
    drawn = model.sample(logits, Draws(torch.Generator().manual_seed(0), logits.device))
    drawn = drawn.view(4000, VARIABLES, CATEGORIES)
    assert torch.equal(drawn.round().sum(-1), torch.ones(4000, VARIABLES))
    shares = torch.softmax(logits[0, :CATEGORIES], 0)
    torch.testing.assert_close(drawn.mean((0, 1)), shares, rtol=0, atol=0.02)


def test_what_is_drawn_does_not_depend_on_the_parts_of_a_batch():
    model, images = build(), frames(batch=4)
    whole = model(images, torch.Generator().manual_seed(5)).loss
    parts = [
        model(images[2 * i : 2 * i + 2], torch.Generator().manual_seed(5), Part(i, 2)).loss
        for i in range(2)
    ]
    assert sum(parts).item() / 2 == pytest.approx(whole.item(), rel=1e-5)


def test_the_settings_are_the_authors(settings_of):
    settings = settings_of("method=rsp")
    model = build_model(settings)
    assert isinstance(model, RSP)
    assert (model.ratio, model.variables, model.categories) == (0.75, 32, 32)
    assert (model.kl_weight, model.kl_balance, model.kl_free, model.noise) == (0.01, 0.2, 0.1, 0.5)
    with pytest.raises(ConfigError, match="decoder=cross_self uncertainty=none"):
        settings_of("method=rsp", "decoder=cross")
