"""GFLOPs of a training pair against a count by hand."""

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from siammae.assembly.build import build_model
from siammae.assembly.flops import gflops_per_pair
from siammae.config.check import check
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS


@pytest.fixture(scope="module")
def configured():
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        yield lambda *overrides: compose("train", [*overrides])


def products(config):
    """Operations of all linear layers in a forward pass, by hooks, and of each attention."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        total += 2 * inputs[0].numel() // layer.in_features * layer.in_features * layer.out_features

    model = build_model(check(config))
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, 2, 3, config.image_size, config.image_size))
    return total


@pytest.mark.parametrize("decoder", ["cross_self", "cross", "joint"])
def test_it_is_three_times_the_products_of_the_layers(configured, decoder):
    """A backward pass has two products for each of a forward pass, but for the first layer's."""
    config = configured(f"decoder={decoder}")
    layers = 3 * products(config) / 1e9
    # Of 26 tokens and 128 channels attention is a small part of the work.
    assert 0.95 * layers < gflops_per_pair(check(config)) < 1.15 * layers


def test_it_grows_with_what_is_seen_and_with_depth(configured):
    base, seen, deep, deeper = (
        gflops_per_pair(check(configured(*settings)))
        for settings in ([], ["mask_ratio=0.5"], ["decoder.depth=2"], ["decoder.depth=3"])
    )
    assert seen > base
    assert deeper - deep == pytest.approx(deep - base, rel=1e-9)


def by_hand(model, given, **asked):
    """Three times the products of all linear layers and convolutions that a forward pass calls."""
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        of_one = layer.weight.numel()
        total += 2 * of_one * output.numel() // layer.weight.shape[0]

    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(given, **asked)
    return 3 * total / 1e9


@pytest.mark.parametrize(
    ("settings", "views"),
    [
        (["method=mae"], [(1, 40)]),
        (["method=simclr", "method.hidden=64"], [(2, 40)]),
        (["method=mae_st", "targets.frames=4", "targets.stride=3"], [(4, 40)]),
        (["method=dino", "method.hidden=64", "method.prototypes=64"], [(2, 40), (8, 16)]),
    ],
)
def test_it_counts_the_views_that_the_method_takes(configured, settings, views):
    config = check(configured(*settings))
    model = build_model(config).train()
    given = [torch.zeros(1, frames, 3, side, side) for frames, side in views]
    layers = by_hand(model, given if model.several_sizes else given[0])
    counted = gflops_per_pair(config)
    # Attention is beside it; the teacher's and the patches' backward passes are not made.
    assert 0.75 * layers < counted < 1.2 * layers
