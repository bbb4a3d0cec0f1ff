"""The loss on visible patches, against plain formulas in float64, and that without it all is as
before."""

import math

import pytest
import torch
from plain_vit import (
    assert_same_gradients,
    cross_self,
    encode,
    full_set,
    linear,
    normalised,
    part,
    patches_of,
    positions,
    weights_of,
)
from small_parts import frames, generator, parts

from siammae.assembly.build import build_model
from siammae.methods.catmae import CatMAE
from siammae.methods.multi_anchor import MultiAnchor
from siammae.methods.siammae import SiamMAE
from siammae.methods.tobo import ToBo
from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.heads import PixelMean
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.model.pair import FrameMask
from siammae.model.uncertainty.density import Gaussian
from siammae.model.uncertainty.dropout import MonteCarloDropout
from siammae.model.visible_loss import nearness
from siammae.system.errors import ConfigError


def build(kind=SiamMAE, decoder=CrossSelfDecoder, head=PixelMean, ratio=0.5, **more):
    return kind(**parts(decoder, head), masking=AsymmetricRandom(ratio), **more)


def weight_of(place, hidden, power):
    """d^-power, d from the patch at ``place`` to the nearest hidden one, in a grid of 4 columns."""
    row, column = divmod(place, 4)
    return min(math.dist((row, column), divmod(other, 4)) for other in hidden) ** -power


def plain_losses(weights, images, mask, power):
    """The mean squared error of hidden patches, and the weighted one of visible patches."""
    past, future = images.double().unbind(1)
    encoder, decoder, head = (part(weights, name) for name in ("encoder", "decoder", "head"))
    places = positions(4, 16)
    keys = linear(decoder, "embed", encode(encoder, past, 8, 4)) + places
    tokens = full_set(decoder, encode(encoder, future, 8, 4, mask.visible), mask, places)
    pixels = linear(head, "pixels", cross_self(decoder, tokens, keys, 2)[:, 1:])
    error = (pixels - normalised(patches_of(future, 8))).square().mean(-1)
    visible, hidden = (index.tolist() for index in mask)
    of_hidden = torch.stack([error[i, where].mean() for i, where in enumerate(hidden)]).mean()
    of_visible = [
        weight_of(place, hidden[i], power) * error[i, place]
        for i, seen in enumerate(visible)
        for place in seen
    ]
    return of_hidden, sum(of_visible) / len(of_visible)


@pytest.mark.parametrize(("weight", "power"), [(0.5, 0.5), (2.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("ratio", [0.75, 0.125])
def test_loss_and_gradients_are_those_of_plain_formulas(weight, power, ratio):
    model = build(ratio=ratio, visible_loss=weight, visible_loss_power=power)
    images = frames()
    outcome = model(images, generator())
    outcome.total.backward()
    weights = weights_of(model)
    hidden, visible = plain_losses(weights, images, outcome.targets[0].mask, power)
    wanted = hidden + weight * visible
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert outcome.metrics["train/hidden_loss"].item() == pytest.approx(hidden.item(), rel=1e-5)
    assert outcome.metrics["train/visible_loss"].item() == pytest.approx(visible.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_nearness_falls_with_the_distance_to_the_nearest_hidden_patch():
    """Of 3 rows of 4 patches the first of the first row is hidden, or the last of the last."""
    hidden = torch.tensor([[0], [11]])
    visible = torch.tensor([list(range(1, 12)), list(range(11))])
    found = nearness(FrameMask(visible, hidden), 4, 1.0)
    wanted = [[1 / math.hypot(*divmod(place, 4)) for place in range(1, 12)]]
    wanted.append(wanted[0][::-1])
    torch.testing.assert_close(found, torch.tensor(wanted))
    both = nearness(FrameMask(torch.arange(1, 11).unsqueeze(0), torch.tensor([[0, 11]])), 4, 1.0)
    torch.testing.assert_close(both[0], torch.maximum(found[0, :-1], found[1, 1:]))


@pytest.mark.parametrize("decoder", [CrossSelfDecoder, CrossDecoder, JointDecoder])
@pytest.mark.parametrize("head", [PixelMean, Gaussian, MonteCarloDropout])
def test_hidden_patches_are_predicted_as_without_it(decoder, head):
    """Bit for bit, from the same weights and draws, in training and in evaluation."""
    plain, model = (
        build(decoder=decoder, head=head),
        build(decoder=decoder, head=head, visible_loss=1),
    )
    assert plain.state_dict().keys() == model.state_dict().keys()
    for mode in (True, False):
        one, other = (m.train(mode)(frames(), generator()) for m in (plain, model))
        assert torch.equal(one.targets[0].mask.hidden, other.targets[0].mask.hidden)
        assert torch.equal(one.targets[0].prediction.mean, other.targets[0].prediction.mean)
        assert torch.equal(one.targets[0].loss, other.targets[0].loss)
        assert (one.targets[0].prediction.spread is None) == (
            other.targets[0].prediction.spread is None
        )
        assert other.loss > one.loss or head is not PixelMean
        assert not one.metrics.keys() & {"train/hidden_loss", "train/visible_loss"}


def test_a_frame_that_is_hidden_whole_has_none():
    """And each frame's share of the loss is that of its hidden patches."""
    gap = torch.tensor([[1, 4]] * 3)
    model = build(visible_loss=0.5, predict=True, loss_gap_power=1.0)
    outcome = model(frames(3), generator(), gap=gap)
    outcome.loss.backward()
    near, far = outcome.targets
    shares = torch.tensor([1.0, 0.25]) * 2 / 1.25
    assert torch.equal(far.metrics["train/visible_loss"], torch.tensor(0.0))
    torch.testing.assert_close(far.weighted_loss, shares[1] * far.loss)
    whole = near.loss + 0.5 * near.metrics["train/visible_loss"]
    torch.testing.assert_close(near.weighted_loss, shares[0] * whole)


@pytest.mark.parametrize(("kind", "count"), [(CatMAE, 3), (ToBo, 2), (MultiAnchor, 3)])
def test_the_followers_take_it_as_well(kind, count):
    plain, model = build(kind), build(kind, visible_loss=0.5)
    one, other = (m(frames(count), generator()) for m in (plain, model))
    shares = model.weights if kind is CatMAE else [1.0]
    added = sum(
        share * target.metrics["train/visible_loss"]
        for share, target in zip(shares, other.targets, strict=True)
    )
    torch.testing.assert_close(other.loss, one.loss + 0.5 * added)


def test_the_settings_reach_the_model(settings_of):
    model = build_model(settings_of("method.visible_loss=0.25", "method.visible_loss_power=1"))
    assert (model.visible_loss, model.visible_loss_power) == (0.25, 1)
    assert build_model(settings_of()).visible_loss == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method.visible_loss=-1"], ["method", "visible_loss", "negative"]),
        (["method.visible_loss=1", "method.visible_loss_power=-1"], ["visible_loss_power"]),
        (["method.visible_loss_power=1"], ["visible_loss_power=1", "does nothing"]),
        (["method.visible_loss=1", "uncertainty=ensemble"], ["visible_loss=1", "than ensemble"]),
        (["method.visible_loss=true"], ["method.visible_loss=True", "number"]),
        (["method=mae", "+method.visible_loss=1"], ["method.visible_loss", "no such key"]),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(settings_of, overrides, words):
    with pytest.raises(ConfigError) as told:
        settings_of(*overrides)
    assert all(word in str(told.value) for word in words), told.value
    assert len(str(told.value).splitlines()) == 1
