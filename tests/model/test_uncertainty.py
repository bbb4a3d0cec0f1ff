"""Heads with a spread: densities against scipy, known noise, ensembles and dropout."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from siammae.methods.siammae import SiamMAE
from siammae.model.batch_draws import Part
from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.model.uncertainty.density import BetaNLL, DensityHead, Gaussian, LaplaceHead
from siammae.model.uncertainty.dropout import MonteCarloDropout
from siammae.model.uncertainty.ensemble import Decoders, Ensemble

WIDTH, PATCH = 16, 8
VALUES = 3 * PATCH**2
DECODERS = [CrossSelfDecoder, CrossDecoder, JointDecoder]
DENSITIES = [Gaussian, LaplaceHead, BetaNLL]


def heads():
    """One of each kind."""
    found = {kind.__name__: kind(WIDTH, PATCH) for kind in DENSITIES}
    found["patch"] = Gaussian(WIDTH, PATCH, scale_per="patch")
    found["Ensemble"] = Ensemble(PixelMean(WIDTH, PATCH), members=2)
    found["deep"] = Ensemble(Gaussian(WIDTH, PATCH), members=3)
    found["Dropout"] = MonteCarloDropout(WIDTH, PATCH, rate=0.3, samples=3)
    found["thinned"] = Ensemble(MonteCarloDropout(WIDTH, PATCH, rate=0.3, samples=3), members=2)
    return found


HEADS = list(heads())


def decoders(count, kind=CrossSelfDecoder):
    sizes = {"image_size": 32, "patch_size": PATCH, "encoder_width": 32, "width": WIDTH}
    return [kind(**sizes, depth=2, heads=2) for _ in range(count)]


def build(head, kind=CrossSelfDecoder):
    encoder = Encoder(image_size=32, patch_size=PATCH, width=32, depth=1, heads=4)
    decoder = head.assemble(decoders(head.decoders, kind))
    return SiamMAE(encoder, decoder, head, AsymmetricRandom(0.75))


def frames(batch=2):
    return torch.randn(batch, 3, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def draws():
    return torch.Generator().manual_seed(5)


def randomised(head):
    """Away from the initial scale of 1."""
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.2)
            nn.init.normal_(layer.bias, std=0.5)
    return head


# Every head with the whole model -----------------------------------------------------------------


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_training_moves_every_parameter_and_evaluation_gives_a_spread(name, decoder):
    torch.manual_seed(0)
    model = build(heads()[name], decoder)
    restored = model(frames(), draws())
    restored.loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0, parameter_name
    with torch.no_grad():
        shown = model.eval()(frames(), draws()).targets[1]
    spread = shown.prediction.spread
    assert shown.prediction.mean.shape == spread.batch_shape == (2, 12, VALUES)
    assert spread.mean.equal(shown.prediction.mean)
    assert (spread.stddev > 0).all()
    quantile = spread.icdf(torch.tensor(0.9))
    assert torch.allclose(spread.cdf(quantile), torch.tensor(0.9), atol=1e-4)
    assert spread.log_prob(quantile).isfinite().all()


@pytest.mark.parametrize("name", [name for name in HEADS if name not in ("Dropout", "thinned")])
def test_the_metrics_hold_the_squared_error_of_the_mean_over_all_frames(name):
    torch.manual_seed(0)
    model, images = build(randomised(heads()[name])), frames()
    restored = model(images, draws())
    errors, deviations = [], []
    for number, target in enumerate(restored.targets):
        for sample in range(2):
            for place, patch in enumerate(target.mask.hidden[sample].tolist()):
                row, column = divmod(patch, 4)
                pixels = images[sample, number + 1, :, row * 8 :, column * 8 :][:, :8, :8].double()
                true = (pixels - pixels.mean()) / (pixels.var() + 1e-6).sqrt()
                mean = target.prediction.mean[sample, place].double()
                errors.append(((mean - true.flatten()) ** 2).mean().item())
        deviations.append(target.prediction.spread.stddev.mean().item())
    of_targets = {f"train/loss_target_{number}" for number in (1, 2)}
    assert restored.metrics.keys() == {"train/mse", "train/sigma"} | of_targets
    assert restored.metrics["train/mse"].item() == pytest.approx(np.mean(errors), rel=1e-5)
    assert restored.metrics["train/sigma"].item() == pytest.approx(np.mean(deviations), rel=1e-5)
    assert not restored.metrics["train/mse"].requires_grad


def test_nothing_is_logged_beside_a_loss_that_is_the_squared_error():
    for head in (PixelMean(WIDTH, PATCH), MonteCarloDropout(WIDTH, PATCH)):
        assert build(head)(frames()[:, :2], draws()).metrics == {}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_bf16_and_huge_tokens_leave_loss_and_gradients_finite(name, factor):
    torch.manual_seed(0)
    head = randomised(heads()[name])
    tokens = torch.randn(head.decoders, 2, 12, WIDTH, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        prediction = head(list(tokens * factor) if head.decoders > 1 else tokens[0] * factor)
        cost = head.cost(prediction, torch.randn(2, 12, VALUES))
    assert cost.dtype == torch.float32
    cost.mean().backward()
    assert cost.isfinite().all()
    assert tokens.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


# Densities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale_per", ["pixel", "patch"])
@pytest.mark.parametrize(
    ("kind", "reference"), [(Gaussian, scipy.stats.norm), (LaplaceHead, scipy.stats.laplace)]
)
def test_the_cost_is_the_negative_log_density(kind, reference, scale_per):
    torch.manual_seed(0)
    head = randomised(kind(WIDTH, PATCH, scale_per))
    tokens, target = torch.randn(2, 5, WIDTH), torch.randn(2, 5, VALUES) * 3
    prediction = head(tokens)
    raw = head.log_scale(tokens).detach().double().numpy()
    scale = np.broadcast_to(np.exp(3 * np.tanh(raw / 3)), (2, 5, VALUES))
    density = reference(head.pixels(tokens).detach().numpy(), scale)
    assert scale.std() > 0.1
    np.testing.assert_allclose(
        head.cost(prediction, target).detach(), -density.logpdf(target), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(prediction.spread.stddev.detach(), density.std(), rtol=1e-5)
    np.testing.assert_allclose(
        prediction.spread.cdf(target).detach(), density.cdf(target), atol=1e-6
    )


@pytest.mark.parametrize("kind", DENSITIES)
def test_it_starts_with_the_mean_of_the_plain_head_and_a_scale_of_one(kind):
    torch.manual_seed(0)
    plain = PixelMean(WIDTH, PATCH)
    torch.manual_seed(0)
    head = kind(WIDTH, PATCH)
    tokens = torch.randn(2, 3, WIDTH)
    assert torch.equal(head(tokens).mean, plain(tokens).mean)
    assert (head(tokens).spread.scale == 1).all()


def test_the_scale_stays_between_its_limits_and_grows_with_its_input():
    head = Gaussian(WIDTH, PATCH, min_log_scale=-2.0, max_log_scale=1.5)
    nn.init.constant_(head.log_scale.weight, 1.0)
    steps = torch.linspace(-4, 4, 801)
    scale = head((steps / WIDTH).view(1, -1, 1).expand(1, -1, WIDTH)).spread.scale.log()[0, :, 0]
    assert (scale.diff() > 0).all()
    assert scale.min() >= -2
    assert scale.max() <= 1.5
    assert torch.allclose(scale[395:406], steps[395:406], atol=1e-3)  # as it is near 0
    ends = head(torch.tensor([[[-1e6] * WIDTH, [1e6] * WIDTH]])).spread.scale.log()[0, :, 0]
    assert ends.tolist() == pytest.approx([-2, 1.5], abs=1e-5)


def test_beta_nll_lies_between_the_likelihood_and_the_squared_error():
    torch.manual_seed(0)
    plain = randomised(Gaussian(WIDTH, PATCH))
    tokens, target = torch.randn(2, 5, WIDTH), torch.randn(2, 5, VALUES)

    def costs(beta):
        head = BetaNLL(WIDTH, PATCH, beta=beta)
        head.load_state_dict(plain.state_dict())
        prediction = head(tokens)
        cost = head.cost(prediction, target)
        (gradient,) = torch.autograd.grad(cost.sum(), prediction.mean, retain_graph=True)
        (of_scale,) = torch.autograd.grad(cost.sum(), head.log_scale.bias)
        return cost, gradient, of_scale, prediction

    cost, _, of_scale, prediction = costs(0.0)
    likelihood = plain.cost(plain(tokens), target)
    assert torch.equal(cost, likelihood)
    assert torch.equal(of_scale, torch.autograd.grad(likelihood.sum(), plain.log_scale.bias)[0])

    error = (prediction.mean - target).detach()
    variance = prediction.spread.variance.detach()
    for beta in (0.5, 1.0):
        gradient = costs(beta)[1]
        assert torch.allclose(gradient, error * variance ** (beta - 1), rtol=1e-4, atol=1e-6)
    assert torch.allclose(costs(1.0)[1], error, rtol=1e-4, atol=1e-5)  # of half the squared error


@pytest.mark.parametrize("kind", DENSITIES)
@pytest.mark.parametrize("scale_per", ["pixel", "patch"])
def test_a_known_noise_is_recovered(kind, scale_per):
    """Four kinds of tokens, each with a mean and a noise of its own."""
    torch.manual_seed(0)
    true_mean = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    true_noise = torch.tensor([0.2, 0.5, 1.0, 2.0])
    head: DensityHead = kind(4, 1, scale_per)
    tokens = torch.eye(4).expand(256, 4, 4)
    draw = (
        torch.distributions.Laplace(0, 2**-0.5)
        if kind is LaplaceHead
        else torch.distributions.Normal(0, 1)
    )
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    steps = 600
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        noise = draw.sample((256, 4, 3)) * true_noise[:, None]
        loss = head.cost(head(tokens), true_mean[:, None] + noise).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    found = head(tokens[:1])
    deviation = found.spread.stddev[0].mean(dim=-1)
    assert torch.allclose(deviation, true_noise, rtol=0.05)
    assert torch.allclose(found.mean[0].mean(dim=-1), true_mean, atol=0.1)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Gaussian, {"scale_per": "image"}, "scale_per=image: must be pixel or patch"),
        (Gaussian, {"min_log_scale": 0.5}, "min_log_scale=0.5 must be in"),
        (LaplaceHead, {"max_log_scale": -1.0}, "max_log_scale=-1.0 in"),
        (BetaNLL, {"beta": 1.5}, r"beta=1.5: must be in \[0, 1\]"),
        (MonteCarloDropout, {"rate": 0.0}, "rate=0.0: must be above 0 and below 1"),
        (MonteCarloDropout, {"samples": 1}, "samples=1: a variance takes at least 2"),
    ],
)
def test_values_out_of_range_are_refused_by_name(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(WIDTH, PATCH, **arguments)


# Ensemble ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", [PixelMean, Gaussian, LaplaceHead])
def test_each_member_is_trained_as_if_alone(member):
    torch.manual_seed(0)
    model = build(Ensemble(member(WIDTH, PATCH), members=3))
    together = model(frames(), draws())
    together.loss.backward()
    losses = []
    for decoder, head in zip(model.decoder, model.head.heads, strict=True):
        grads = [p.grad.clone() for part in (decoder, head) for p in part.parameters()]
        alone = SiamMAE(model.encoder, decoder, head, model.masking)
        alone.zero_grad()
        restored = alone(frames(), draws())
        restored.loss.backward()
        losses.append(restored.loss.item())
        own = [p.grad for part in (decoder, head) for p in part.parameters()]
        assert all(torch.allclose(3 * a, b, atol=1e-6) for a, b in zip(grads, own, strict=True))
    assert len(set(losses)) == 3
    assert together.loss.item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_mixture_has_the_moments_of_samples_of_its_members():
    torch.manual_seed(0)
    ensemble = Ensemble(Gaussian(WIDTH, 1), members=3)
    ensemble = randomised(ensemble)
    tokens = list(torch.randn(3, 1, 2, WIDTH))
    prediction = ensemble(tokens)
    samples = torch.cat(
        [head(t).spread.sample((40_000,)) for head, t in zip(ensemble.heads, tokens, strict=True)]
    )
    assert torch.allclose(prediction.mean, samples.mean(dim=0), atol=0.03)
    assert torch.allclose(prediction.spread.stddev, samples.std(dim=0), rtol=0.02)


def test_members_that_agree_are_certain():
    head = Ensemble(PixelMean(WIDTH, PATCH), members=3)
    for other in head.heads[1:]:
        other.load_state_dict(head.heads[0].state_dict())
    (decoder,) = decoders(1)
    model = build(head)
    model.decoder = Decoders([decoder] * 3)
    spread = model.eval()(frames(), draws()).targets[0].prediction.spread
    assert spread.stddev.max() < 1e-4


def test_an_ensemble_is_surer_where_it_has_been_trained():
    torch.manual_seed(0)
    heads = Ensemble(PixelMean(8, 1), members=5)
    decoders = Decoders(
        [nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 8)) for _ in range(5)]
    )
    optimiser = torch.optim.Adam([*heads.parameters(), *decoders.parameters()], lr=0.01)
    known = torch.rand(64, 1, 1) * 2 - 1
    for _ in range(300):
        loss = heads.cost(heads.restore(decoders, known), known.sin().expand(-1, -1, 3)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    seen = heads.predict(decoders, known).spread.stddev.mean()
    unseen = heads.predict(decoders, known.sign() * (known.abs() + 4)).spread.stddev.mean()
    assert unseen > 5 * seen


def test_an_ensemble_is_of_at_least_two_and_of_no_ensembles():
    with pytest.raises(ValueError, match="members=1: an ensemble has at least 2"):
        Ensemble(PixelMean(WIDTH, PATCH), members=1)
    with pytest.raises(ValueError, match="no ensembles in it"):
        Ensemble(Ensemble(PixelMean(WIDTH, PATCH), members=2), members=2)


# Dropout -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DECODERS)
def test_dropout_predicts_the_same_every_time_and_leaves_no_trace(kind):
    torch.manual_seed(0)
    model = build(MonteCarloDropout(WIDTH, PATCH, rate=0.3, samples=4), kind).eval()
    model.decoder.norm.train()  # a mode of its own, to be found again
    modes = {name: part.training for name, part in model.named_modules()}
    state = torch.get_rng_state()
    with torch.no_grad():
        one = model(frames(), draws()).targets[0].prediction
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(99)
        two = model(frames(), draws()).targets[0].prediction
    assert torch.equal(one.mean, two.mean)
    assert torch.equal(one.spread.stddev, two.spread.stddev)
    assert {name: part.training for name, part in model.named_modules()} == modes
    assert one.spread.stddev.mean() > 0.01


@pytest.mark.parametrize("kind", DECODERS)
def test_every_dropout_layer_has_the_rate(kind):
    head = MonteCarloDropout(WIDTH, PATCH, rate=0.3)
    layers = [x for x in build(head, kind).decoder.modules() if isinstance(x, nn.Dropout)]
    assert len(layers) >= 2
    assert {layer.p for layer in layers} == {0.3}


def test_training_with_dropout_is_one_random_pass_of_the_paper_s_loss():
    model = build(MonteCarloDropout(WIDTH, PATCH, rate=0.3))
    losses = [model(frames(), draws()).loss.item() for _ in range(3)]
    assert len(set(losses)) == 3


def test_more_passes_estimate_the_spread_between_passes():
    """A dropout of p on a unit, alone, has the deviation sqrt(p / (1 - p)) of its output."""
    head = MonteCarloDropout(1, 1, rate=0.2, samples=4000)
    nn.init.ones_(head.pixels.weight)
    decoder = head.assemble([nn.Sequential(nn.Identity(), nn.Dropout(0.0))])
    prediction = head.predict(decoder.eval(), torch.full((1, 50, 1), 3.0))
    assert prediction.mean.mean().item() == pytest.approx(3, rel=0.02)
    assert prediction.spread.stddev.mean().item() == pytest.approx(3 * 0.5, rel=0.02)


def test_a_decoder_without_dropout_is_refused():
    with pytest.raises(ValueError, match="Linear has no dropout layer to sample with"):
        MonteCarloDropout(WIDTH, PATCH).assemble([nn.Linear(2, 2)])


# Seams -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Gaussian", "deep"])
def test_parts_of_a_batch_add_up_to_the_whole(name):
    torch.manual_seed(0)
    model, images = build(heads()[name]), frames(4)
    whole = model(images, draws())
    parts = [model(images[i * 2 : i * 2 + 2], draws(), Part(i, 2)) for i in range(2)]
    for key, value in {"loss": whole.loss, **whole.metrics}.items():
        found = [p.loss if key == "loss" else p.metrics[key] for p in parts]
        assert value.item() == pytest.approx(torch.stack(found).mean().item(), rel=1e-5)
