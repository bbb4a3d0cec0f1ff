"""Views of SimCLR: drawn each on its own, and pixels as torchvision makes them."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from siammae.data.augment.colour import ColourJitter
from siammae.data.augment.effects import apply_effects
from siammae.data.augment.views import Views


def test_blur_and_solarisation_are_those_of_torchvision():
    images = torch.rand(2, 3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    effects = torch.tensor(
        [[[0.0, 0.0], [0.5, 0.0], [1.7, 1.0]], [[2.0, 0.0], [0.0, 1.0], [0.1, 0.0]]]
    )
    result = apply_effects(images, effects)
    for sample in range(2):
        for view in range(3):
            sigma, solarised = effects[sample, view].tolist()
            wanted = images[sample, view]
            if sigma:
                wanted = reference.gaussian_blur(wanted, [5, 5], [sigma, sigma])
            if solarised:
                wanted = reference.solarize(wanted, 0.5)
            torch.testing.assert_close(result[sample, view], wanted, rtol=0, atol=2e-6)


def test_what_is_drawn_has_the_shares_that_were_asked_for():
    colour = ColourJitter(0.8, 0.8, 0.8, 0.2, probability=0.8, grey=0.2)
    augment = Views(32, blur=0.5, solarise=0.25, colour=colour)
    rng = np.random.default_rng(0)
    drawn = [augment.draw(rng, 2, 60, 80) for _ in range(1500)]
    effects, colours = (
        np.stack([getattr(d, name) for d in drawn]) for name in ("effects", "colour")
    )
    assert (effects[..., 0] > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert effects[..., 1].mean() == pytest.approx(0.25, abs=0.03)
    assert (colours[..., 2] == 0).mean() == pytest.approx(0.2, abs=0.03)
    assert (colours[..., 0] == 1).mean() == pytest.approx(0.2, abs=0.03)
    widths = effects[..., 0][effects[..., 0] > 0]
    assert widths.min() >= 0.1
    assert widths.max() <= 2.0
    assert {d.boxes[0] == d.boxes[1] for d in drawn} == {False}
    assert (np.stack([d.flip for d in drawn]).mean(axis=0) - 0.5 < 0.04).all()


def test_colours_are_drawn_as_before_without_the_later_keys():
    before = np.random.default_rng(3).uniform([0.6, 0.6, 0.8, -0.1], [1.4, 1.4, 1.2, 0.1], (2, 4))
    assert np.array_equal(ColourJitter().draw(np.random.default_rng(3), 2), np.float32(before))


@pytest.mark.parametrize("more", [{"blur": 2}, {"solarise": -0.1}, {"blur_sigma": [2.0, 0.1]}])
def test_wrong_values_are_refused(more):
    with pytest.raises(ValueError, match=next(iter(more))):
        Views(32, **more)
