import math

import numpy as np
import pytest
import timm
import torch

from siammae.model.encoder import Encoder
from siammae.model.layers import sincos_positions
from siammae.model.patches import patchify


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Encoder(image_size=32, patch_size=8, width=32, depth=2, heads=4).eval()


def vit_s16():
    return Encoder(image_size=224, patch_size=16, width=384, depth=12, heads=6).eval()


def test_weights_go_to_timm_with_equal_features():
    torch.manual_seed(0)
    ours = vit_s16()
    theirs = timm.create_model("vit_small_patch16_224", num_classes=0).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = theirs.forward_features(images)[:, 1:]
        torch.testing.assert_close(ours.features(images), expected, atol=2e-5, rtol=1e-4)


def test_weights_come_from_timm_with_equal_features():
    torch.manual_seed(1)
    theirs = timm.create_model("vit_small_patch16_224", num_classes=0).eval()
    ours = vit_s16()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = theirs.forward_features(images)
        torch.testing.assert_close(ours(patchify(images, 16)), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("heads", "depth", "width", "millions"), [(6, 12, 384, 21.59)])
def test_parameters_of_the_paper_size(heads, depth, width, millions):
    encoder = Encoder(224, 16, width, depth, heads)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_positions_are_those_of_mae():
    """MAE's definition written out in numpy: sine and cosine of the column, then of the row."""
    rows, columns, width = 3, 5, 16
    table = sincos_positions((rows, columns), width)[0].numpy()
    assert not table[0].any()
    for row in range(rows):
        for column in range(columns):
            expected = []
            for place in (column, row):
                angles = [place / 10000 ** (i / (width / 4)) for i in range(width // 4)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            np.testing.assert_allclose(table[1 + row * columns + column], expected, atol=1e-5)


def test_positions_are_fixed(small):
    assert "pos_embed" in small.state_dict()
    assert "pos_embed" not in dict(small.named_parameters())


def test_hidden_patches_never_enter(small):
    patches = torch.randn(2, 16, 192)
    visible = torch.tensor([[0, 5, 9], [3, 4, 15]])
    encoded = small(patches, visible)
    assert encoded.shape == (2, 4, 32)
    changed = patches.clone()
    for sample in range(2):
        hidden = [i for i in range(16) if i not in visible[sample].tolist()]
        changed[sample, hidden] = float("nan")
    assert torch.equal(small(changed, visible), encoded)
    changed = patches.clone()
    changed[0, 5] += 1
    assert not torch.equal(small(changed, visible)[0], encoded[0])


def test_all_patches_named_visible_is_the_whole_frame(small):
    patches = torch.randn(2, 16, 192)
    everything = torch.arange(16).expand(2, -1)
    torch.testing.assert_close(small(patches, everything), small(patches))


def test_order_of_visible_patches_follows_the_index(small):
    patches = torch.randn(1, 16, 192)
    forward = small(patches, torch.tensor([[2, 7]]))
    backward = small(patches, torch.tensor([[7, 2]]))
    torch.testing.assert_close(forward[:, [0, 2, 1]], backward)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (32, 48), (80, 24)])
def test_features_of_any_multiple_of_the_patch(small, size):
    features = small.features(torch.randn(1, 3, *size))
    assert features.shape == (1, (size[0] // 8) * (size[1] // 8), 32)
    assert torch.isfinite(features).all()


def test_same_weights_encode_both_frames(small):
    """Siamese: a frame's tokens are the same whether it is the past or the future one."""
    frame = torch.randn(1, 3, 32, 32)
    assert torch.equal(small(patchify(frame, 8))[:, 1:], small.features(frame))
