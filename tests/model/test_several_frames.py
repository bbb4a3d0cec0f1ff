"""Several future frames: the loss, who sees what, what is computed once, and every part's share."""

import pytest
import torch
from torch import nn

from siammae.methods.siammae import SiamMAE
from siammae.model.batch_draws import Part
from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.encoder import Encoder
from siammae.model.encoding import JointEncoding, SiameseEncoding
from siammae.model.gap_embedding import gap_embedding
from siammae.model.heads import PixelMean
from siammae.model.masking.uniform import AsymmetricRandom, SymmetricRandom

DECODERS = [CrossSelfDecoder, CrossDecoder, JointDecoder]
GAP = torch.tensor([[2, -5, 11], [4, -4, 8], [1, -30, 60], [7, -8, 9]])


def build(decoder=CrossSelfDecoder, encoding=None, embedding="none", masking=None, **settings):
    torch.manual_seed(0)
    model = SiamMAE(
        Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        decoder(image_size=32, patch_size=8, encoder_width=32, width=16, depth=2, heads=2),
        PixelMean(width=16, patch_size=8),
        masking or AsymmetricRandom(0.75),
        encoding,
        **settings,
    )
    model.gap_embedding = gap_embedding(embedding, 16)
    if embedding == "learned":  # as after some training: at first it is zero
        torch.nn.init.xavier_uniform_(model.gap_embedding.layers[-1].weight)
    return model


def frames(batch=4, futures=3):
    draws = torch.Generator().manual_seed(3)
    return torch.randn(batch, 1 + futures, 3, 32, 32, generator=draws)


def generator():
    return torch.Generator().manual_seed(5)


def cost_in_float64(images, target, frame, sample):
    """Mean squared error of one sample's hidden patches to their normalised pixels."""
    total = 0.0
    hidden = target.mask.hidden[sample].tolist()
    for place, patch in enumerate(hidden):
        row, column = divmod(patch, 4)
        pixels = images[sample, frame, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
        pixels = pixels.double().flatten()
        wanted = (pixels - pixels.mean()) / (pixels.var(unbiased=True) + 1e-6).sqrt()
        total += (target.prediction.mean[sample, place].double() - wanted).square().mean().item()
    return total / len(hidden)


@pytest.mark.parametrize("power", [0.0, 1.0, -0.5])
@pytest.mark.parametrize("predict", [False, True])
def test_loss_is_the_weighted_mean_of_a_loop_in_float64(power, predict):
    model, images = build(loss_gap_power=power, predict=predict), frames()
    output = model(images, generator(), gap=GAP)
    costs = [
        [cost_in_float64(images, target, frame, sample)
         for frame, target in enumerate(output.targets, start=1)]
        for sample in range(4)
    ]  # fmt: skip
    total = 0.0
    for row, gaps in zip(costs, GAP.tolist(), strict=True):
        raw = [abs(gap) ** -power for gap in gaps]
        weights = [one * 3 / sum(raw) for one in raw]
        total += sum(w * c for w, c in zip(weights, row, strict=True)) / 3
    assert output.loss.item() == pytest.approx(total / 4, rel=1e-5)
    for number, target in enumerate(output.targets):
        plain = sum(row[number] for row in costs) / 4
        assert target.loss.item() == pytest.approx(plain, rel=1e-5)
        name = f"train/loss_target_{number + 1}"
        assert output.metrics[name].item() == pytest.approx(plain, rel=1e-5)
    gaps = [output.metrics[f"train/gap_target_{number}"].item() for number in (1, 2, 3)]
    assert gaps == [3.5, -11.75, 22.0]


def test_one_target_has_no_rows_of_its_own():
    assert build()(frames(futures=1), generator(), gap=GAP[:, :1]).metrics == {}


@pytest.mark.parametrize("encoding", [SiameseEncoding, lambda: JointEncoding(32)])
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("predict", [False, True])
def test_hidden_pixels_of_no_target_reach_any_prediction(decoder, encoding, predict):
    model = build(decoder, encoding(), "sincos", predict=predict).eval()
    images = frames()
    before = model(images, generator(), gap=GAP)
    changed = images.clone()
    for frame, target in enumerate(before.targets, start=1):
        for sample in range(4):
            for patch in target.mask.hidden[sample].tolist():
                row, column = divmod(patch, 4)
                changed[sample, frame, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 7.0
    after = model(changed, generator(), gap=GAP)
    for one, other in zip(before.targets, after.targets, strict=True):
        assert torch.equal(one.prediction.mean, other.prediction.mean)


@pytest.mark.parametrize("decoder", [CrossSelfDecoder, JointDecoder])
def test_targets_do_not_see_each_other(decoder):
    """Each is restored from the given frame and its own visible patches."""
    model = build(decoder, embedding="sincos").eval()
    images = frames()
    before = model(images, generator(), gap=GAP)
    images[:, 2] += torch.randn(3, 32, 32, generator=generator())
    after = model(images, generator(), gap=GAP)
    for number in (0, 2):
        assert torch.equal(
            before.targets[number].prediction.mean, after.targets[number].prediction.mean
        )
    changed = before.targets[1].prediction.mean != after.targets[1].prediction.mean
    assert changed.any()


class Counted(nn.Module):
    """A module that counts its calls."""

    def __init__(self, module):
        super().__init__()
        self.module, self.seen = module, []

    def forward(self, *inputs):
        self.seen.append(tuple(inputs[0].shape))
        return self.module(*inputs)


@pytest.mark.parametrize("futures", [1, 3])
@pytest.mark.parametrize("masking", [AsymmetricRandom(0.75), SymmetricRandom(0.75, 0.5)])
def test_the_past_frame_is_encoded_and_prepared_once(futures, masking):
    model = build(masking=masking)
    model.encoder.norm = encoded = Counted(model.encoder.norm)
    model.decoder.memory_to_kv = prepared = Counted(model.decoder.memory_to_kv)
    model(frames(futures=futures), generator(), gap=GAP[:, :futures])
    whole = 17 if type(masking) is AsymmetricRandom else 9
    assert [shape[1] for shape in encoded.seen] == [whole] + [5] * futures
    assert len(prepared.seen) == 1


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_is_kept_of_the_past_changes_nothing(decoder):
    """Each target alone, in a batch of pairs, is what it is among others."""
    model, images = build(decoder, embedding="learned").eval(), frames()
    together = model(images, generator(), gap=GAP)
    for number, target in enumerate(together.targets):
        pair, asked = images[:, [0, number + 1]], target.mask

        class Known(AsymmetricRandom):
            def future(self, pair, draws, asked=asked):
                return asked

        alone = build(decoder, embedding="learned", masking=Known(0.75)).eval()
        alone.load_state_dict(model.state_dict())
        found = alone(pair, gap=GAP[:, [number]]).targets[0].prediction.mean
        assert torch.equal(found, target.prediction.mean)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoding", [SiameseEncoding, lambda: JointEncoding(32)])
def test_gradients_reach_every_parameter_and_the_embedding(decoder, encoding):
    model = build(decoder, encoding(), "learned", loss_gap_power=0.5)
    model(frames(), generator(), gap=GAP).loss.backward()
    assert any(name.startswith("gap_embedding") for name, _ in model.named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("embedding", ["none", "sincos", "learned"])
def test_only_an_embedding_tells_the_gap(decoder, embedding):
    model = build(decoder, embedding=embedding).eval()
    one = model(frames(), generator(), gap=GAP)
    other = model(frames(), generator(), gap=torch.cat([GAP[:, :1], -GAP[:, 1:]], dim=1))
    same = [
        torch.equal(a.prediction.mean, b.prediction.mean)
        for a, b in zip(one.targets, other.targets, strict=True)
    ]
    assert same == ([True] * 3 if embedding == "none" else [True, False, False])


class NeverAsked(AsymmetricRandom):
    """A strategy that is asked for two frames at most."""

    def __init__(self, ratio):
        super().__init__(ratio)
        self.asked = 0

    def future(self, pair, draws):
        self.asked += 1
        assert self.asked <= 2
        return super().future(pair, draws)


@pytest.mark.parametrize("encoding", [SiameseEncoding, lambda: JointEncoding(32)])
def test_of_a_predicted_frame_nothing_is_visible_and_no_strategy_is_asked(encoding):
    model = build(encoding=encoding(), masking=NeverAsked(0.75), predict=True)
    output = model(frames(), generator(), gap=GAP)
    assert model.masking.asked == 2
    shapes = [tuple(target.mask.visible.shape) for target in output.targets]
    assert shapes == [(4, 4), (4, 4), (4, 0)]
    assert output.targets[2].mask.hidden.tolist() == [list(range(16))] * 4
    assert output.targets[2].prediction.mean.shape == (4, 16, 192)


def test_of_a_predicted_frame_no_pixel_matters():
    model = build(predict=True).eval()
    before = model(frames(), generator(), gap=GAP)
    images = frames()
    images[:, 3] = torch.rand(4, 3, 32, 32)
    after = model(images, generator(), gap=GAP)
    assert torch.equal(before.targets[2].prediction.mean, after.targets[2].prediction.mean)
    assert after.targets[2].loss != before.targets[2].loss


@pytest.mark.parametrize("settings", [{"embedding": "sincos"}, {"loss_gap_power": 1.0}])
def test_without_a_gap_what_needs_one_says_so(settings):
    with pytest.raises(ValueError, match="need a gap"):
        build(**settings)(frames(), generator())
    assert "train/gap_target_1" not in build()(frames(), generator()).metrics


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_give_the_whole(parts):
    """Losses, rows and gradients: means over parts of equal size."""
    settings = {"embedding": "learned", "loss_gap_power": 1.0, "predict": True}
    whole = build(**settings)
    expected = whole(frames(), generator(), gap=GAP)
    expected.loss.backward()
    split = build(**settings)
    losses, rows = 0.0, {}
    cut = zip(frames().chunk(parts), GAP.chunk(parts), strict=True)
    for number, (images, gap) in enumerate(cut):
        output = split(images, generator(), Part(number, parts), gap)
        (output.loss / parts).backward()
        losses += output.loss.item() / parts
        for name, value in output.metrics.items():
            rows[name] = rows.get(name, 0) + value.item() / parts
    assert losses == pytest.approx(expected.loss.item(), rel=1e-5)
    assert rows == {k: pytest.approx(v.item(), rel=1e-5) for k, v in expected.metrics.items()}
    named = dict(whole.named_parameters())
    for name, parameter in split.named_parameters():
        torch.testing.assert_close(parameter.grad, named[name].grad, rtol=1e-3, atol=1e-6)


def test_under_bf16_it_trains():
    model = build(embedding="learned", loss_gap_power=1.0, predict=True)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(frames(), generator(), gap=GAP)
    assert output.loss.dtype == torch.float32
    full = build(embedding="learned", loss_gap_power=1.0, predict=True)
    assert output.loss.item() == pytest.approx(
        full(frames(), generator(), gap=GAP).loss.item(), rel=0.02
    )
