"""SimCLR against the formula of its paper in float64, and its settings."""

import math

import pytest
import torch
from plain_vit import assert_same_gradients, encode, linear, part, weights_of

from siammae.assembly.build import build_model
from siammae.methods.simclr import SimCLR, nt_xent
from siammae.model.encoder import Encoder
from siammae.system.errors import ConfigError


def build(temperature=0.2):
    torch.manual_seed(0)
    encoder = Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4)
    return SimCLR(encoder, hidden=24, width=12, temperature=temperature)


def frames(batch=5):
    return torch.randn(batch, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def by_the_paper(vectors, temperature):
    """Equation 1, -log exp(s_ij / t) / sum over k != i of exp(s_ik / t), over all anchors i."""
    flat = [vectors[i, view] for i in range(len(vectors)) for view in range(2)]
    similar = [[a @ b / (a.norm() * b.norm()) for b in flat] for a in flat]
    total = 0.0
    for i in range(len(flat)):
        others = sum((similar[i][k] / temperature).exp() for k in range(len(flat)) if k != i)
        total = total - ((similar[i][i ^ 1] / temperature).exp() / others).log()
    return total / len(flat)


def test_loss_and_gradients_are_those_of_plain_formulas():
    model, images = build(), frames()
    outcome = model(images)
    outcome.total.backward()
    weights = weights_of(model)
    projected = []
    for view in images.double().unbind(1):
        cls = encode(part(weights, "encoder"), view, 8, 4)[:, 0]
        hidden = linear(part(weights, "projection"), "0", cls).clamp(min=0)
        projected.append(linear(part(weights, "projection"), "2", hidden))
    wanted = by_the_paper(torch.stack(projected, dim=1), 0.2)
    wanted.backward()
    assert outcome.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert_same_gradients(model, weights)


def test_views_that_are_alike_within_and_orthogonal_without_are_all_found():
    vectors = torch.eye(6)[:, None].expand(-1, 2, -1)
    loss, found = nt_xent(vectors, 0.5)
    assert found == 1
    assert loss.item() == pytest.approx(math.log(1 + 10 * math.exp(-2)), rel=1e-6)


def test_two_processes_have_the_gradient_of_one():
    """Each has the whole batch's loss and gradients of its own half; their mean is the whole's."""
    images = frames(batch=6)
    whole = build()
    whole(images).total.backward()
    halves = [build(), build()]
    rows = {}

    def gather(own, rank):
        rows[rank] = own.detach()
        kept = [build_rows(halves[i], images[3 * i : 3 * i + 3]) for i in range(2)]
        kept[rank] = own
        return torch.cat(kept)

    for rank, model in enumerate(halves):
        model.gather = lambda own, rank=rank: gather(own, rank)
        outcome = model(images[3 * rank : 3 * rank + 3])
        assert outcome.scale == 2
        outcome.total.backward()
    for name, parameter in whole.named_parameters():
        mean = sum(dict(half.named_parameters())[name].grad for half in halves) / 2
        torch.testing.assert_close(mean, parameter.grad, rtol=1e-4, atol=1e-6)


def build_rows(model, images):
    with torch.no_grad():
        return torch.stack([model.project(view) for view in images.unbind(1)], dim=1).flatten(1)


def test_settings_are_the_papers_and_parts_of_a_batch_are_refused(settings_of):
    settings = settings_of("method=simclr", "preset=gpu")
    model = build_model(settings)
    assert isinstance(model, SimCLR)
    assert model.temperature == 0.1
    assert [layer.out_features for layer in (model.projection[0], model.projection[2])] == [
        2048,
        128,
    ]
    assert (
        settings.decoder is settings.masking is settings.uncertainty is settings.mask_ratio is None
    )
    with pytest.raises(ConfigError, match="accumulate=2: method=simclr compares all samples"):
        settings_of("method=simclr", "accumulate=2")
    settings_of("method=simclr", "targets=single", "frame_gap=[4,8]")
