import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from siammae.data.augment import MEAN, STD, PairAugment, resize_matrices
from siammae.data.loader import Sample, Visit, collate


def batch_of(crops, flips):
    samples = [
        Sample(crop, flip, np.zeros(len(crop), np.float32), [4], 0, False)
        for crop, flip in zip(crops, flips, strict=True)
    ]
    return collate([Visit(samples, {})])


@pytest.mark.parametrize("size", [32, 64])
def test_equal_to_torchvision(size):
    """Crops of several sizes in one batch, each as torchvision's antialiased bicubic resizes it."""
    rng = np.random.default_rng(0)
    shapes = [(40, 40), (61, 37), (33, 90), (20, 25)]
    crops = [rng.integers(0, 256, (2, h, w, 3), np.uint8) for h, w in shapes]
    flips = [False, True, False, True]
    result = PairAugment(size).apply(batch_of(crops, flips))
    assert result.shape == (4, 2, 3, size, size)
    assert result.dtype == torch.float32
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    for crop, flip, ours in zip(crops, flips, result, strict=True):
        pixels = torch.from_numpy(crop).permute(0, 3, 1, 2).float()
        theirs = v2.functional.resize(
            pixels, [size, size], v2.InterpolationMode.BICUBIC, antialias=True
        ).clamp(0, 255)
        theirs = theirs.flip(-1) if flip else theirs
        torch.testing.assert_close((ours * std + mean) * 255, theirs, atol=2e-3, rtol=0)


@given(length=st.integers(1, 90), extra=st.integers(0, 20), size=st.integers(1, 64))
@settings(max_examples=50, deadline=None)
def test_matrices_average_and_never_look_beyond_the_crop(length, extra, size):
    matrix = resize_matrices(torch.tensor([length]), length + extra, size)[0]
    assert matrix.shape == (size, length + extra)
    torch.testing.assert_close(matrix.sum(1), torch.ones(size), atol=1e-5, rtol=0)
    assert not matrix[:, length:].any()


@given(h=st.integers(8, 300), w=st.integers(8, 300), seed=st.integers(0, 10_000))
def test_crops_lie_in_the_frame_and_keep_to_the_ranges(h, w, seed):
    augment = PairAugment(32, (0.5, 1.0), (0.75, 4 / 3))
    crop = augment.draw(np.random.default_rng(seed), h, w)
    assert 0 <= crop.top <= crop.top + crop.height <= h
    assert 0 <= crop.left <= crop.left + crop.width <= w
    is_fallback = crop.height == crop.width == min(h, w)
    assert is_fallback or crop.height * crop.width >= 0.5 * h * w - (h + w)


def test_without_a_scale_the_centre_is_taken():
    crop = PairAugment(32, None, flip=0.0).draw(np.random.default_rng(0), 60, 100)
    assert crop == (0, 20, 60, 60, False)


@pytest.mark.parametrize(("flip", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_share_of_flips(flip, share):
    rng = np.random.default_rng(0)
    flips = [PairAugment(32, flip=flip).draw(rng, 50, 50).flip for _ in range(800)]
    assert np.mean(flips) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(
    "arguments", [{"crop_scale": [0.0, 1.0]}, {"crop_scale": [0.9, 0.5]}, {"flip": 1.5}]
)
def test_senseless_ranges_are_refused(arguments):
    with pytest.raises(ValueError, match=r"crop_scale|flip"):
        PairAugment(32, **arguments)
