import pytest
import torch
from torch import nn

from siammae.evaluation.features import EncoderFeatures


class Patches(nn.Module):
    """A stand-in for an encoder: one linear layer on patches."""

    patch_size = 8

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(3, 16, 8, 8)

    def features(self, images):
        return self.embed(images).flatten(2).transpose(1, 2)


def test_features_are_the_encoder_s_without_gradients():
    encoder, images = Patches(), torch.randn(2, 3, 24, 16)
    extract = EncoderFeatures(encoder, torch.device("cpu"))
    features = extract(images)
    assert extract.patch_size == 8
    assert features.shape == (2, 6, 16)
    assert not features.requires_grad
    assert torch.equal(features, encoder.features(images))


def test_bf16_is_near_and_comes_back_in_fp32():
    encoder, images = Patches(), torch.randn(1, 3, 16, 16)
    exact = EncoderFeatures(encoder, torch.device("cpu"))(images)
    rough = EncoderFeatures(encoder, torch.device("cpu"), "bf16")(images)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.05, rtol=0.05)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="fp8"):
        EncoderFeatures(Patches(), torch.device("cpu"), "fp8")
