"""Heat maps: their numbers against a plain loop, and their colours."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Normal

from siammae.evaluation.pictures.heat import NOTHING, Scale, colour_bar, paint, scale_of
from siammae.evaluation.pictures.uncertainty_maps import Passes, to_pixels, uncertainty_grid
from siammae.model.heads import Prediction
from siammae.model.pair import FrameMask
from siammae.model.restoration import Restoration, RestoredFrame


def restored(hidden, seed=0):
    """Of 16 patches of 8 x 8 pixels, with random predictions of the hidden ones."""
    draws = torch.Generator().manual_seed(seed)
    hidden = torch.tensor(hidden)
    visible = torch.tensor([[i for i in range(16) if i not in row] for row in hidden.tolist()])
    mean = torch.randn(*hidden.shape, 192, generator=draws)
    spread = Normal(mean, torch.rand(*hidden.shape, 192, generator=draws) + 0.1)
    return RestoredFrame(
        FrameMask(visible, hidden), Prediction(mean, spread), torch.tensor(0.0), {}
    )


def frames():
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(9))


def test_maps_are_root_mean_squares_over_the_passes_that_hid_a_patch():
    passes, image = Passes(frames(), 8), frames()[0].double()
    both = [restored([[0, 5, 6]], 1), restored([[5, 9, 15]], 2)]
    for one in both:
        passes.add(one)
    assert not passes.complete()
    maps = passes.maps()
    for patch in range(16):
        row, column = (8 * i for i in divmod(patch, 4))
        where = (0, slice(row, row + 8), slice(column, column + 8))
        found = []
        for one in both:
            for place, hidden in enumerate(one.mask.hidden[0].tolist()):
                if hidden == patch:
                    prediction = one.prediction
                    found.append((prediction.mean[0, place], prediction.spread.variance[0, place]))
        if not found:
            assert maps.error[where].isnan().all()
            assert maps.expected[where].isnan().all()
            continue
        pixels = image[:, row : row + 8, column : column + 8]
        deviation = (pixels.var() + 1e-6).sqrt()
        target = ((pixels - pixels.mean()) / deviation).flatten()
        error = torch.stack([(mean - target) ** 2 for mean, _ in found]).mean().sqrt()
        assert torch.allclose(maps.error[where].double(), error, rtol=1e-4)
        variance = torch.stack([v.view(3, 8, 8) for _, v in found]).mean(dim=(0, 1))
        assert torch.allclose(maps.expected[where], variance.sqrt(), rtol=1e-4)
        mean = torch.stack([m.view(3, 8, 8) for m, _ in found]).mean(dim=0)
        shown = mean * deviation + pixels.mean()
        assert torch.allclose(maps.restored[0][:, where[1], where[2]], shown.float(), atol=1e-4)


def test_what_was_never_hidden_is_the_frame_s_own():
    passes = Passes(frames(), 8)
    passes.add(restored([[0, 5, 6]]))
    assert torch.equal(passes.maps().restored[0, :, 24:], frames()[0, :, 24:])
    passes.add(restored([list(range(16))]))
    assert passes.complete()
    assert passes.maps().error.isfinite().all()


def test_lighter_is_more_on_one_scale_and_unknown_is_grey():
    values = np.array([[0.5, 1.0, 1.5, 2.0, 9.0, np.nan]])
    colours = paint(values, Scale(0.5, 2.0))[0].astype(int)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[:4]) > 40).all()
    assert (colours[4] == colours[3]).all()
    assert (colours[5] == NOTHING).all()
    assert np.abs(colours[0] - [0, 0, 4]).max() <= 2  # the ends of matplotlib's magma
    assert np.abs(colours[3] - [252, 253, 191]).max() <= 2


def test_a_scale_serves_all_maps_whatever_is_missing():
    one, other = np.full((10, 10), np.nan), np.linspace(1, 3, 100).reshape(10, 10)
    assert scale_of([one, other]) == pytest.approx((1.02, 2.98))
    assert scale_of([one]) == (0.0, 1.0)
    low, high = scale_of([np.ones((2, 2))])
    assert low < high


def test_the_bar_is_dark_below_and_light_above():
    bar = colour_bar(120, Scale(0.2, 0.8), "unit").astype(int)
    assert bar.shape[0] == 120
    column = bar[:, 10].sum(axis=-1)
    ramp = column[column < 760]
    assert (np.diff(ramp) <= 0).all()
    assert ramp[0] > 600
    assert ramp[-1] < 20


def test_the_grid_has_a_row_a_sample_and_six_columns_of_the_right_pictures():
    pair = torch.stack([frames().repeat(2, 1, 1, 1), frames().flip(-1).repeat(2, 1, 1, 1)], dim=1)
    one = restored([[0, 5, 6], [1, 2, 3]])
    restoration = Restoration(torch.tensor(0.0), one.mask, [one], {})
    image = np.asarray(Image.open(BytesIO(uncertainty_grid(pair, restoration, 8)))).astype(int)
    height, step = 112, (112 + 4, 112 + 4 + 18)
    assert image.shape[0] == 2 * step[1] + 4
    tiles = [
        [image[4 + 18 + r * step[1] :, 4 + c * step[0] :][:height, :height] for c in range(6)]
        for r in range(2)
    ]
    assert image.shape[1] > 6 * step[0] + 40  # the bar
    for column, frame in ((0, pair[0, 0]), (3, pair[0, 1])):
        seen = np.asarray(Image.fromarray(tiles[0][column].astype(np.uint8)).resize((4, 4), 4))
        true = np.asarray(Image.fromarray(to_pixels(frame)).resize((4, 4), 4))
        assert np.abs(seen.astype(int) - true).max() < 12
    for sample, hidden in enumerate(([0, 5, 6], [1, 2, 3])):
        for patch in range(16):
            row, column = (28 * i + 6 for i in divmod(patch, 4))
            for place in (4, 5):
                inner = tiles[sample][place][row : row + 16, column : column + 16]
                grey = np.abs(inner - NOTHING).max() < 12
                assert grey == (patch not in hidden), (sample, patch, place)
