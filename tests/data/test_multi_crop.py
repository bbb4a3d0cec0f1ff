"""DINO's multi-crop: sizes and scales of its views, on the device and in the readers."""

import numpy as np
import pytest
import torch

from siammae.data.augment.multi_crop import MultiCrop
from siammae.data.sampling.batch import Sample, Visit, collate


def batch_of(augment, samples=3, views=5):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (70, 90, 3), np.uint8)
    made = []
    for _ in range(samples):
        drawn = augment.draw(rng, views, 70, 90)
        parts, flip = augment.by_reader([box.cut(frame) for box in drawn.boxes], drawn.flip)
        angle = np.zeros(views, np.float32)
        how = (flip, drawn.colour, angle, [0] * (views - 1), 0, False, None, drawn.effects)
        made.append(Sample(parts, *how))
    return collate([Visit(made, {})])


def test_large_views_first_then_small_ones_of_their_own_size():
    large, small = MultiCrop(32, 8).apply(batch_of(MultiCrop(32, 8)))
    assert large.shape == (3, 2, 3, 32, 32)
    assert small.shape == (3, 3, 3, 16, 16)
    assert torch.isfinite(large).all()
    (alone,) = MultiCrop(32, 8).apply(batch_of(MultiCrop(32, 8), views=2))
    assert alone.shape == (3, 2, 3, 32, 32)


def test_readers_that_resize_give_the_same_pixels_within_rounding():
    there = MultiCrop(32, 8).apply(batch_of(MultiCrop(32, 8)))
    host = MultiCrop(32, 8, resize="host")
    here = host.apply(batch_of(host))
    for one, other in zip(there, here, strict=True):
        assert (one - other).abs().mean() < 0.02


def test_scales_and_effects_are_each_kinds_own():
    augment, rng = MultiCrop(32, 8), np.random.default_rng(0)
    drawn = [augment.draw(rng, 4, 90, 90) for _ in range(500)]
    areas = np.array([[box.height * box.width / 8100 for box in one.boxes] for one in drawn])
    assert areas[:, :2].min() > 0.37
    assert areas[:, 2:].min() > 0.03
    assert areas[:, 2:].max() < 0.43
    effects = np.stack([one.effects for one in drawn])
    blurred, solarised = (effects[..., 0] > 0).mean(axis=0), effects[..., 1].mean(axis=0)
    assert blurred == pytest.approx([1, 0.1, 0.5, 0.5], abs=0.06)
    assert solarised == pytest.approx([0, 0.2, 0, 0], abs=0.06)


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match="local_size 20 is not a multiple of patch_size=8"):
        MultiCrop(32, 8, local_size=20)
    with pytest.raises(ValueError, match="1 views: multi-crop takes 2 large ones"):
        MultiCrop(32, 8).draw(np.random.default_rng(0), 1, 50, 50)
