"""Masking by what the model is uncertain about: what is chosen, learned, copied, left alone."""

import pytest
import torch

from siammae.methods.siammae import SiamMAE
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.decoders import CrossSelfDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking.base import Masking
from siammae.model.masking.uncertainty import UncertaintyMasking
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.model.pair import FrameMask
from siammae.model.patches import patchify
from siammae.model.uncertainty.density import Gaussian
from siammae.model.uncertainty.ensemble import Ensemble

ESTIMATES = ["error", "predicted"]


def build(masking, head=PixelMean, dropout=0.0):
    torch.manual_seed(0)
    size = {"image_size": 16, "patch_size": 4, "depth": 1, "heads": 2}
    encoder = Encoder(width=16, **size)
    decoder = CrossSelfDecoder(encoder_width=16, width=16, dropout=dropout, **size)
    return SiamMAE(encoder, decoder, head(width=16, patch_size=4), masking)


def by(estimate, ratio=0.5, **settings):
    """A model that masks by an estimate, whose copies are its present weights."""
    masking = UncertaintyMasking(ratio, 16, estimate, **{"random_share": 0.0, **settings})
    return build(masking, PixelMean if estimate == "error" else Gaussian)


def stir(model):
    """An estimate that differs from patch to patch, as after some training."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "probe" in name or "log_scale" in name:
                parameter.copy_(torch.randn(parameter.shape))
    model.masking.estimate.refresh()
    return model


def images(batch=4, frames=2, seed=3):
    return torch.randn(batch, frames, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def generator(seed=5):
    return torch.Generator().manual_seed(seed)


class Fixed(Masking):
    """The masks that are given, one for each future frame."""

    def __init__(self, masks):
        super().__init__(0.5)
        self.masks = iter(masks)

    def future(self, pair, draws):
        return next(self.masks)


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_the_choice_follows_the_estimate(estimate):
    """At a low temperature the hidden patches are those of the highest, or lowest, estimate."""
    seen = {}
    for toward in ("uncertain", "certain"):
        model = stir(by(estimate, temperature=1e-6, toward=toward))
        keep(model.masking.estimate, seen)
        mask = model(images(), generator()).targets[0].mask
        estimated = seen["estimate"]
        visible, hidden = (estimated.gather(1, index) for index in mask)
        low, high = (visible, hidden) if toward == "uncertain" else (hidden, visible)
        assert low.std() > 0
        assert (low.max(1).values <= high.min(1).values).all()


def keep(estimate, seen):
    estimate.register_forward_hook(lambda module, given, made: seen.update(estimate=made))


@pytest.mark.parametrize("toward", ["uncertain", "certain"])
def test_the_probe_learns_where_the_errors_are(toward):
    """The left half of a future frame is noise, the right half is what it was."""
    drawn = torch.Generator().manual_seed(0)
    model = by("error", toward=toward)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)

    def pairs():
        past = torch.randn(16, 3, 16, 16, generator=drawn)
        past[:, :, :, 8:] = 0
        past[:, :, ::2, 8::2] = 1  # something that can be restored
        future = past.clone()
        future[:, :, :, :8] = torch.randn(16, 3, 16, 8, generator=drawn)
        return torch.stack([past, future], dim=1)

    for step in range(60):
        model.masking.begin_step(step + 1, 60)
        optimiser.zero_grad()
        model(pairs(), generator(step)).total.backward()
        optimiser.step()
    model.masking.temperature = 0.2
    hidden = model(pairs(), generator()).targets[0].mask.hidden
    left = (hidden % 4 < 2).float().mean()
    assert left > 0.9 if toward == "uncertain" else left < 0.1


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_no_gradient_flows_through_the_choice(estimate):
    """What restores the frames has exactly the gradients that it has under the same fixed masks,
    and the loss that is reported is the same."""
    model = stir(by(estimate))
    restored = model(images(frames=3), generator())
    restored.total.backward()
    masks = [target.mask for target in restored.targets]
    fixed = build(Fixed(masks), PixelMean if estimate == "error" else Gaussian)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("masking.")}
    fixed.load_state_dict(weights)
    other = fixed(images(frames=3), generator())
    other.total.backward()
    assert torch.equal(restored.loss, other.loss)
    own = dict(model.named_parameters())
    for name, parameter in fixed.named_parameters():
        assert torch.equal(parameter.grad, own[name].grad), name
    learned = {name for name in own if own[name].grad is not None} - dict(
        fixed.named_parameters()
    ).keys()
    probe = {"masking.estimate.probe.weight", "masking.estimate.probe.bias"}
    assert learned == (probe if estimate == "error" else set())


def test_the_probe_s_loss_is_apart_and_its_gradient_is_none_of_the_norm_that_is_clipped():
    model = stir(by("error"))
    restored = model(images(), generator())
    assert torch.equal(restored.metrics["train/probe_loss"], restored.masking_loss.detach())
    assert torch.equal(restored.total, restored.loss + restored.masking_loss)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names[id(parameter)] for parameter in model.clipped_parameters()}
    assert kept == {name for name in names.values() if not name.startswith("masking.")}


def test_the_probe_s_loss_is_that_of_a_loop_in_float64():
    model = stir(by("error"))
    frames, encoded = images(), []
    model.encoder.register_forward_hook(lambda module, given, made: encoded.append(made.detach()))
    restored, memory = model(frames, generator()), encoded[0].double()
    weight, bias = (p.detach().double() for p in model.masking.estimate.probe.parameters())
    (target,), total = restored.targets, []
    for b in range(4):
        for i, place in enumerate(target.mask.hidden[b].tolist()):
            row, column = divmod(place, 4)
            patch = frames[b, 1, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].double()
            patch = patch.flatten()
            truth = (patch - patch.mean()) / (patch.var(unbiased=True) + 1e-6).sqrt()
            error = (target.prediction.mean[b, i].detach().double() - truth).square().mean()
            predicted = weight[0] @ memory[b, 1 + place] + bias[0]
            total.append((predicted - error.log()) ** 2)
    assert restored.masking_loss.item() == pytest.approx(torch.stack(total).mean().item(), rel=1e-4)


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_warm_up_has_the_masks_of_uniform_masking_bit_for_bit(estimate):
    model, uniform = stir(by(estimate, warmup=0.5)), build(AsymmetricRandom(0.5))
    expected = [t.mask.hidden for t in uniform(images(frames=3), generator()).targets]
    for step, same in ((1, True), (5, True), (6, False), (10, False)):
        model.masking.begin_step(step, 10)
        made = [t.mask.hidden for t in model(images(frames=3), generator()).targets]
        assert all(map(torch.equal, made, expected)) == same


@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize("parts", [2, 4])
def test_the_parts_of_a_batch_have_the_masks_of_the_whole(estimate, parts):
    model = stir(by(estimate))

    def masks(frames, part=WHOLE):
        restored = model(frames, generator(), part)
        return torch.stack([target.mask.hidden for target in restored.targets], dim=1)

    frames = images(8, 3)
    split = [masks(piece, Part(i, parts)) for i, piece in enumerate(frames.chunk(parts))]
    assert torch.equal(masks(frames), torch.cat(split))


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_the_estimate_is_as_old_as_was_asked_and_never_older(estimate):
    model = by(estimate, refresh=3)
    copies = copied(model)
    assert copies
    taken = []
    for step in range(1, 8):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name not in copies:
                    parameter.fill_(step)
        model.masking.begin_step(step, 7)
        (value,) = {float(model.get_parameter(name).mean()) for name in copies}
        taken.append(value)
    assert taken == [1, 1, 1, 4, 4, 4, 7]


def copied(model):
    names = [name for name, _ in model.named_parameters()]
    return [name for name in names if name.startswith("masking.") and "probe" not in name]


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_copies_take_no_gradients_and_stay_in_evaluation_mode(estimate):
    model = by(estimate).train()
    copies = copied(model)
    assert not any(model.get_parameter(name).requires_grad for name in copies)
    assert not any(m.training for m in model.masking.estimate.children())
    assert all(m.training for m in model.decoder.modules())


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_the_state_tells_whether_the_warm_up_is_over(estimate):
    model, other = by(estimate, warmup=0.5), by(estimate, warmup=0.5)
    for step in (1, 6):
        model.masking.begin_step(step, 10)
        other.load_state_dict(model.state_dict())
        assert other.masking.warm == (step == 6)


def test_the_spread_is_predicted_with_nothing_of_the_future_visible():
    """Independently: the decoder itself, on CLS alone; the future's pixels do not count."""
    model, seen, frames = stir(by("predicted")), {}, images()
    keep(model.masking.estimate, seen)
    model(frames, generator())
    first = seen["estimate"]
    frames[:, 1] = torch.randn(frames[:, 1].shape)
    model(frames, generator())
    assert torch.equal(first, seen["estimate"])
    past, future = (patchify(frame, 4) for frame in frames.unbind(1))
    places = torch.arange(16).expand(4, -1)
    cls = model.encoder(future, places[:, :0])
    assert cls.shape[1] == 1
    whole, nothing = FrameMask(places, places[:, :0]), FrameMask(places[:, :0], places)
    tokens = model.decoder(model.encoder(past), cls, whole, nothing)
    expected = model.head(tokens).spread.stddev.mean(-1).log()
    torch.testing.assert_close(first, expected.detach())


def test_decoder_dropout_neither_changes_the_estimate_nor_is_changed_by_it():
    masking = UncertaintyMasking(0.5, 16, "predicted", random_share=1.0)
    model = build(masking, Gaussian, dropout=0.3)
    uniform = build(AsymmetricRandom(0.5), Gaussian, dropout=0.3)
    torch.manual_seed(1)
    one = model(images(), generator()).loss
    torch.manual_seed(1)
    assert torch.equal(one, uniform(images(), generator()).loss)
    seen = []
    model.masking.estimate.register_forward_hook(lambda m, given, made: seen.append(made))
    for _ in range(2):
        model(images(), generator())
    assert torch.equal(*seen)


def test_autocast_leaves_the_encoder_its_gradients():
    """Casts that are made without gradients must not be what the next pass finds."""
    model = stir(by("predicted"))
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(images(), generator()).loss
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def test_a_head_without_a_spread_is_refused():
    with pytest.raises(ValueError, match=r"estimate=predicted: PixelMean .* estimate=error"):
        build(UncertaintyMasking(0.5, 16, "predicted"))


def test_a_frame_that_is_not_encoded_alone_is_refused():
    from siammae.model.encoding import JointEncoding

    model = by("error")
    model.encoding = JointEncoding(16)
    with pytest.raises(ValueError, match="before patches are hidden"):
        model(images(), generator())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimate": "guess"}, "estimate=guess: must be error or predicted"),
        ({"toward": "moving"}, "toward=moving: must be uncertain or certain"),
        ({"warmup": 1.0}, "warmup=1.0: must be at least 0 and below 1"),
        ({"warmup": -0.1}, "warmup=-0.1: must be at least 0 and below 1"),
        ({"refresh": 0}, "refresh=0: must be at least 1"),
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        UncertaintyMasking(0.75, 16, **settings)


def test_of_an_ensemble_two_members_are_asked_where_they_differ():
    masking = UncertaintyMasking(0.5, 16, "predicted", refresh=1)
    torch.manual_seed(0)
    size = {"image_size": 16, "patch_size": 4, "depth": 1, "heads": 2}
    head = Ensemble(PixelMean(16, 4), members=3)
    decoders = [CrossSelfDecoder(encoder_width=16, width=16, **size) for _ in range(3)]
    model = SiamMAE(Encoder(width=16, **size), head.assemble(decoders), head, masking)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(1.1)
    masking.begin_step(1, 1)  # the copies follow
    seen, frames = {}, images()
    keep(masking.estimate, seen)
    model(frames, generator()).total.backward()
    past, future = (patchify(frame, 4) for frame in frames.unbind(1))
    places = torch.arange(16).expand(4, -1)
    whole, nothing = FrameMask(places, places[:, :0]), FrameMask(places[:, :0], places)
    inputs = (model.encoder(past), model.encoder(future, places[:, :0]), whole, nothing)
    first, second = (head.heads[i](decoders[i](*inputs)).mean for i in (0, 1))
    expected = ((first - second).abs() / 2).mean(-1).log()
    torch.testing.assert_close(seen["estimate"], expected.detach())
