"""Colour jitter against torchvision's functions, one image at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import functional as tv

from siammae.data.augment.colour import NEUTRAL, ColourJitter, jitter


def torchvision_jitter(image, factors):
    """The four in the documented order on one image (3, H, W)."""
    brightness, contrast, saturation, hue = (float(factor) for factor in factors)
    image = tv.adjust_brightness(image, brightness)
    image = tv.adjust_contrast(image, contrast)
    image = tv.adjust_saturation(image, saturation)
    return tv.adjust_hue(image, hue)


def pictures(batch, seed=0):
    """Smooth and noisy ones, with grey, black, white and saturated pixels among them."""
    drawn = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, 2, 3, 24, 20, generator=drawn)
    images[:, :, :, :6] = images[:, :, :1, :6]  # grey
    images[:, :, :, 6:8], images[:, :, :, 8:10] = 0, 1
    images[:, :, :, 10:14] = images[:, :, :, 10:14].round()  # pure colours
    return images


@pytest.mark.parametrize("strength", [1.0, 2.0, 3.0])
def test_equal_to_torchvision(strength):
    images = pictures(12)
    rng = np.random.default_rng(0)
    draw = ColourJitter(strength=strength).draw
    factors = torch.from_numpy(np.stack([draw(rng, 2) for _ in range(12)]))
    ours = jitter(images, factors)
    assert ours.shape == images.shape
    for sample in range(12):
        for frame in range(2):
            theirs = torchvision_jitter(images[sample, frame], factors[sample, frame])
            torch.testing.assert_close(ours[sample, frame], theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("alone", range(4))
@pytest.mark.parametrize("end", [0, 1])
def test_each_step_alone_is_torchvision_s_at_the_ends_of_its_range(alone, end):
    images, reach = pictures(1), [1.0, 1.0, 1.0, 0.5]
    factors = np.array(NEUTRAL)
    factors[alone] += reach[alone] * (2 * end - 1)
    ours = jitter(images, torch.from_numpy(factors).float().expand(1, 2, 4))
    theirs = torchvision_jitter(images[0, 0], factors)
    torch.testing.assert_close(ours[0, 0], theirs, atol=1e-4, rtol=0)


def test_neutral_factors_change_nothing():
    images = pictures(3)
    factors = torch.tensor(NEUTRAL).expand(3, 2, 4)
    torch.testing.assert_close(jitter(images, factors), images, atol=1e-6, rtol=0)


@given(
    ranges=st.tuples(*[st.floats(0, 1.5)] * 3, st.floats(0, 0.5)),
    strength=st.floats(0, 1),
    shared=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_factors_lie_in_their_ranges_and_are_shared_when_asked(ranges, strength, shared, seed):
    drawn = ColourJitter(*ranges, strength=strength, shared=shared)
    factors = drawn.draw(np.random.default_rng(seed), 3)
    assert factors.shape == (3, 4)
    assert factors.dtype == np.float32
    reach = np.array(ranges) * strength
    assert (np.abs(factors - NEUTRAL) <= reach + 1e-6).all()
    assert (factors[:, :3] >= 0).all()
    if shared:
        assert (factors == factors[0]).all()


def test_the_whole_range_is_drawn_evenly_and_frames_differ():
    rng = np.random.default_rng(0)
    factors = np.stack([ColourJitter().draw(rng, 2) for _ in range(4000)])
    reach = np.array([0.4, 0.4, 0.2, 0.1])
    np.testing.assert_allclose(factors.min((0, 1)), NEUTRAL - reach, atol=0.01)
    np.testing.assert_allclose(factors.max((0, 1)), NEUTRAL + reach, atol=0.01)
    np.testing.assert_allclose(factors.mean((0, 1)), NEUTRAL, atol=0.02)
    correlation = np.corrcoef(factors.reshape(4000, 8).T)
    assert np.abs(correlation - np.eye(8)).max() < 0.1


@pytest.mark.parametrize(
    ("given", "off"),
    [({"strength": 0}, True), ({}, False), ({"strength": 0.1}, False)]
    + [
        ({"brightness": 0, "contrast": 0, "saturation": 0, "hue": hue}, not hue)
        for hue in (0, 1e-3)
    ],
)
def test_it_is_off_when_nothing_can_change(given, off):
    assert ColourJitter(**given).is_off == off


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"brightness": -0.1}, r"colour.brightness=-0.1 is no number >= 0"),
        ({"contrast": "much"}, r"colour.contrast='much' is no number >= 0"),
        ({"strength": True}, r"colour.strength=True is no number"),
        ({"hue": 0.6}, r"colour.hue=0.6 times colour.strength=1.0 is above 0.5"),
        ({"strength": 6}, r"colour.hue=0.1 times colour.strength=6 is above 0.5"),
        ({"shared": "yes"}, r"colour.shared='yes' is neither true nor false"),
    ],
)
def test_senseless_settings_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        ColourJitter(**arguments)
