"""The grid of restored frames: what stands where, for one future frame and for several."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from siammae.data.augment.normalising import MEAN, STD
from siammae.methods.restored_columns import restored_columns
from siammae.model.heads import Prediction
from siammae.model.pair import FrameMask
from siammae.model.restoration import Restoration, RestoredFrame
from siammae.training.run_pictures import picture_grid

SIDE, PATCH, TILE = 32, 8, 36


def made(futures, hidden=12):
    """Frames, and a restoration that predicts zeros: each hidden patch filled with its mean."""
    frames = torch.rand(2, 1 + futures, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    shown = torch.nn.functional.avg_pool2d(frames.flatten(0, 1), 4)  # flat areas survive JPEG
    frames = torch.nn.functional.interpolate(shown, scale_factor=4.0).view_as(frames)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    targets = []
    for number in range(futures):
        order = torch.arange(16).roll(3 * number).expand(2, -1)
        mask = FrameMask(order[:, hidden:].sort().values, order[:, :hidden].sort().values)
        zeros = torch.zeros(2, hidden, 3 * PATCH**2)
        targets.append(RestoredFrame(mask, Prediction(zeros), torch.tensor(0.0), {}))
    past = FrameMask(torch.arange(16).expand(2, -1), torch.arange(0).expand(2, -1))
    return frames, (frames - mean) / std, Restoration(torch.tensor(0.0), past, targets, {})


def restoration_grid(frames, restored, *more):
    return picture_grid(restored_columns(frames, restored.targets, *more))


def tile(jpeg, row, column):
    pixels = np.asarray(Image.open(BytesIO(jpeg))).astype(float)
    top, left = row * TILE + 2, column * TILE + 2
    return pixels[top : top + SIDE, left : left + SIDE]


@pytest.mark.parametrize("futures", [1, 3])
def test_past_then_hidden_restored_and_true_of_each_future_frame(futures):
    frames, normalised, restored = made(futures)
    jpeg = restoration_grid(normalised, restored, PATCH)
    assert Image.open(BytesIO(jpeg)).size == (TILE * (1 + 3 * futures), TILE * 2)
    for row in range(2):
        columns = [0, *(3 * number for number in range(1, futures + 1))]
        for frame, column in enumerate(columns):
            true = 255 * frames[row, frame].permute(1, 2, 0).numpy()
            assert np.abs(tile(jpeg, row, column) - true).mean() < 12
        for number, target in enumerate(restored.targets):
            grey = tile(jpeg, row, 3 * number + 1).reshape(4, PATCH, 4, PATCH, 3).mean((1, 3))
            hidden = target.mask.hidden[row].numpy()
            expected = np.broadcast_to(255 * np.array(MEAN), (len(hidden), 3))
            assert np.abs(grey.reshape(16, 3)[hidden] - expected).max() < 25
            filled = tile(jpeg, row, 3 * number + 2).reshape(4, PATCH, 4, PATCH, 3)
            true = 255 * frames[row, number + 1].permute(1, 2, 0).numpy()
            means = true.reshape(4, PATCH, 4, PATCH, 3).mean((1, 3, 4))
            assert np.abs(filled.mean((1, 3, 4)) - means).max() < 25


def test_a_gap_stands_in_the_corner_of_its_true_frame_alone():
    _, normalised, restored = made(2)
    gaps = torch.tensor([[4, -12], [7, -21]])
    plain = restoration_grid(normalised, restored, PATCH)
    labelled = restoration_grid(normalised, restored, PATCH, gaps)
    for row in range(2):
        for column in range(7):
            apart = np.abs(tile(plain, row, column) - tile(labelled, row, column))
            if column in (3, 6):
                assert apart[:10, :10].max() > 50
                assert apart[18:].max() < 20
            else:
                assert apart[:, :26].max() < 20


def test_of_one_future_frame_no_gap_is_written():
    _, normalised, restored = made(1)
    gaps = torch.tensor([[4], [7]])
    plain = restoration_grid(normalised, restored, PATCH)
    assert restoration_grid(normalised, restored, PATCH, gaps) == plain
