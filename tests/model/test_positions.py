"""Positions on another grid, against the definitions written out."""

import math

import pytest
import torch
import yaml

from siammae.model.encoder import Encoder
from siammae.model.positions import resize_positions
from siammae.system.paths import CONFIGS

TRAINED = (5, 5)


def cubic(distance, a=-0.75):
    """The kernel of Keys (1981), with torch's parameter."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def along(values, count, scale):
    """Take ``count`` values of a line at steps of 1 / scale; beyond its ends it goes on evenly."""
    taken = []
    for place in range(count):
        source = (place + 0.5) / scale - 0.5
        first = math.floor(source) - 1
        shares = [cubic(source - i) for i in range(first, first + 4)]
        inside = [min(max(i, 0), len(values) - 1) for i in range(first, first + 4)]
        taken.append(sum(s * values[i] for s, i in zip(shares, inside, strict=True)))
    return taken


def written_out(picture, grid, grown):
    """Resize (R, C) numbers by lines, the scale being that of ``grid`` and ``grown`` more."""
    rows, columns = grid
    scales = [(n + grown) / of for n, of in zip(grid, TRAINED, strict=True)]
    wide = [along(row, columns, scales[1]) for row in picture.tolist()]
    tall = [along(line, rows, scales[0]) for line in zip(*wide, strict=True)]
    return torch.tensor(tall, dtype=torch.float64).T


@pytest.mark.parametrize("grid", [(5, 8), (3, 4), (9, 5), (30, 52), (1, 25)])
@pytest.mark.parametrize(("by_scale", "grown"), [(False, 0.0), (True, 0.1)])
@pytest.mark.parametrize("own", [0, 1, 5])
def test_both_ways_as_they_are_defined(grid, by_scale, grown, own):
    table = torch.randn(1, own + 25, 2, generator=torch.Generator().manual_seed(0))
    found = resize_positions(table, grid, TRAINED, own, by_scale)
    assert torch.equal(found[:, :own], table[:, :own])
    for channel in range(2):
        expected = written_out(table[0, own:, channel].double().view(TRAINED), grid, grown)
        torch.testing.assert_close(
            found[0, own:, channel].view(grid).double(), expected, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("by_scale", [False, True])
def test_at_the_trained_grid_nothing_changes(by_scale):
    table = torch.randn(1, 26, 2)
    assert torch.equal(resize_positions(table, TRAINED, TRAINED, 1, by_scale), table)


def test_the_size_is_right_for_every_grid():
    table = torch.randn(1, 1 + 14 * 14, 1)
    for rows in range(1, 80):
        for columns in (1, 13, 15, 52, 79):
            found = resize_positions(table, (rows, columns), (14, 14), 1, by_scale=True)
            assert found.shape == (1, 1 + rows * columns, 1)


def test_an_encoder_of_ours_takes_them_by_scale():
    encoder = Encoder(image_size=32, patch_size=8, width=16, depth=1, heads=2).eval()
    pixels = torch.randn(1, 3, 48, 40)
    own = Encoder(image_size=32, patch_size=8, width=16, depth=1, heads=2).eval()
    own.load_state_dict(encoder.state_dict())
    own.pos_embed = resize_positions(encoder.pos_embed, (6, 5), (4, 4), 1, by_scale=True)
    own.grid = (6, 5)
    with torch.no_grad():
        torch.testing.assert_close(encoder.features(pixels, by_scale=True), own.features(pixels))
        assert not torch.allclose(encoder.features(pixels), own.features(pixels), atol=1e-4)


def test_dino_and_cropmae_alone_take_them_by_scale():
    for path in set((CONFIGS / "protocol").glob("*.yaml")) - {CONFIGS / "protocol/all.yaml"}:
        tasks = yaml.safe_load(path.read_text())
        ways = {tasks[task]["positions"] for task in ("objects", "parts", "keypoints")}
        assert ways == ({"scale"} if path.stem in ("dino", "cropmae") else {"size"})
