import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.model.patches import gather_tokens, normalise_patches, patchify, unpatchify


@given(
    batch=st.integers(1, 3),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    patch=st.integers(1, 8),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=50, deadline=None)
def test_unpatchify_undoes_patchify(batch, rows, columns, patch, channels):
    images = torch.rand(batch, channels, rows * patch, columns * patch)
    patches = patchify(images, patch)
    assert patches.shape == (batch, rows * columns, channels * patch**2)
    assert torch.equal(unpatchify(patches, patch, (rows, columns)), images)


def test_a_patch_holds_the_pixels_of_its_place():
    image = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12).float()
    patches = patchify(image, 4)
    row, column = 1, 2
    expected = image[:, :, 4:8, 8:12].reshape(2, -1)
    assert torch.equal(patches[:, row * 3 + column], expected)


def test_a_convolution_and_the_patches_agree():
    conv = torch.nn.Conv2d(3, 7, 4, 4)
    images = torch.rand(2, 3, 8, 8)
    linear = patchify(images, 4) @ conv.weight.flatten(1).T + conv.bias
    torch.testing.assert_close(linear, conv(images).flatten(2).transpose(1, 2))


def test_sides_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="10x8 pixels is not a multiple of the patch of 4"):
        patchify(torch.zeros(1, 3, 10, 8), 4)


def test_target_is_that_of_a_loop_in_float64():
    """MAE's definition written out: per patch, all channels together, unbiased, eps in the root."""
    images = torch.rand(2, 3, 8, 8) * 3 - 1
    target = normalise_patches(patchify(images, 4))
    for b in range(2):
        for row in range(2):
            for column in range(2):
                block = images[b, :, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].double()
                values = [float(value) for value in block.flatten()]
                mean = sum(values) / len(values)
                variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
                expected = [(value - mean) / (variance + 1e-6) ** 0.5 for value in values]
                torch.testing.assert_close(
                    target[b, row * 2 + column], torch.tensor(expected), atol=1e-5, rtol=1e-5
                )


def test_flat_patches_stay_finite():
    flat = normalise_patches(torch.full((1, 2, 12), 0.3))
    torch.testing.assert_close(flat, torch.zeros(1, 2, 12), atol=1e-3, rtol=0)


def test_gather_tokens_picks_by_sample():
    tokens = torch.arange(2 * 3 * 2).reshape(2, 3, 2)
    picked = gather_tokens(tokens, torch.tensor([[2, 0], [1, 1]]))
    assert picked.tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
