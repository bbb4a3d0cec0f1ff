import pytest
import torch

from siammae.methods.siammae import SiamMAE
from siammae.model.decoders import CrossDecoder, CrossSelfDecoder, JointDecoder
from siammae.model.encoder import Encoder
from siammae.model.heads import PixelMean
from siammae.model.masking.grid import AsymmetricGrid
from siammae.model.masking.uniform import AsymmetricRandom, SymmetricRandom

DECODERS = [CrossSelfDecoder, CrossDecoder, JointDecoder]
MASKINGS = [AsymmetricRandom, SymmetricRandom, AsymmetricGrid]


def build(decoder=CrossSelfDecoder, masking=AsymmetricRandom, ratio=0.75):
    torch.manual_seed(0)
    return SiamMAE(
        Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4),
        decoder(image_size=32, patch_size=8, encoder_width=32, width=16, depth=2, heads=2),
        PixelMean(width=16, patch_size=8),
        masking(ratio),
    )


def frames(batch=2):
    return torch.randn(batch, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def generator():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("masking", MASKINGS)
def test_gradients_reach_every_parameter(decoder, masking):
    model = build(decoder, masking)
    model(frames(), generator()).loss.backward()
    # A CrossDecoder never looks at the future's CLS token in its output, yet it is the same
    # parameter as the past's, which it does look at.
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_loss_is_that_of_a_loop_in_float64():
    """Mean over hidden patches of the squared error to the patch's normalised pixels."""
    model, images = build(), frames()
    output = model(images, generator())
    total, count = 0.0, 0
    for sample in range(2):
        for place, patch in enumerate(output.targets[0].mask.hidden[sample].tolist()):
            row, column = divmod(patch, 4)
            pixels = images[sample, 1, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            pixels = pixels.double().flatten()
            target = (pixels - pixels.mean()) / (pixels.var(unbiased=True) + 1e-6).sqrt()
            error = output.targets[0].prediction.mean[sample, place].double() - target
            total += (error**2).mean().item()
            count += 1
    assert count == 2 * 12
    assert output.loss.item() == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("decoder", DECODERS)
def test_hidden_pixels_never_reach_the_prediction(decoder):
    model = build(decoder).eval()
    images = frames()
    before = model(images, generator())
    changed = images.clone()
    for sample in range(2):
        for patch in before.targets[0].mask.hidden[sample].tolist():
            row, column = divmod(patch, 4)
            changed[sample, 1, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] += 7.0
    after = model(changed, generator())
    assert torch.equal(before.targets[0].prediction.mean, after.targets[0].prediction.mean)


@pytest.mark.parametrize("masking", MASKINGS)
def test_the_past_frame_is_used(masking):
    model = build(masking=masking).eval()
    images = frames()
    before = model(images, generator()).targets[0].prediction.mean
    images[:, 0] += torch.randn(3, 32, 32)
    assert not torch.allclose(before, model(images, generator()).targets[0].prediction.mean)


def test_under_bf16_the_loss_stays_float32():
    with torch.autocast("cpu", torch.bfloat16):
        output = build()(frames(), generator())
    assert output.targets[0].prediction.mean.dtype == torch.bfloat16
    assert output.loss.dtype == torch.float32
    full = build()(frames(), generator())
    assert output.loss.item() == pytest.approx(full.loss.item(), rel=0.02)


def test_masks_follow_the_generator():
    first, second = build()(frames(), generator()), build()(frames(), generator())
    assert torch.equal(first.targets[0].mask.visible, second.targets[0].mask.visible)
    assert first.loss.item() == second.loss.item()


def test_it_learns_to_copy_a_still_frame():
    """Past and future equal: the hidden patches stand in the memory, and are found there."""
    model = build(ratio=0.9)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    coarse = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    still = images.unsqueeze(1).expand(-1, 2, -1, -1, -1)
    draws = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(200):
        loss = model(still, draws).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
