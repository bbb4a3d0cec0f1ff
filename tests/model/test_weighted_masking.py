"""The weighted choice: how many, how often which, from which numbers; and masking by motion."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import masks_of
from scipy.stats import chisquare

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.masking.motion import MotionMasking
from siammae.model.masking.uniform import AsymmetricRandom
from siammae.model.masking.weighted import WeightedMasking, choice_keys


class Weighed(WeightedMasking):
    """Patches weigh what the future frame holds there."""

    def log_weight(self, pair):
        return pair.future[..., 0].log()


def weighed(ratio=0.75, temperature=1.0, random_share=0.0, prefer=1):
    return Weighed(ratio, temperature, random_share, prefer)


def frames_of(weights, batch):
    """Frames of one row, a pixel a patch, whose future has the weights."""
    future = torch.tensor(weights, dtype=torch.float32).view(1, 1, 1, -1)
    return torch.stack([torch.zeros_like(future), future], dim=1).expand(batch, -1, -1, -1, -1)


def hidden(strategy, frames, seed=0, part=WHOLE):
    return masks_of(strategy, frames, 1, torch.Generator().manual_seed(seed), part)[1].hidden


@given(
    columns=st.integers(2, 40),
    ratio=st.integers(1, 99),
    share=st.floats(0, 1),
    temperature=st.floats(1e-6, 1e6),
    prefer=st.sampled_from([1, -1]),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_the_count_is_exact_whatever_the_weights(columns, ratio, share, temperature, prefer, data):
    weights = data.draw(st.lists(st.floats(0, 1e30), min_size=columns, max_size=columns))
    strategy = weighed(ratio / 100, temperature, share, prefer)
    past, future = masks_of(strategy, frames_of(weights, 3), 1, torch.Generator().manual_seed(1))
    assert past.is_whole
    assert future.visible.shape == (3, visible_count(columns, ratio / 100))
    both = torch.cat([future.visible, future.hidden], 1).sort(1).values
    assert torch.equal(both, torch.arange(columns).expand(3, -1))


def test_the_first_pick_is_in_proportion_to_the_weights():
    weights = torch.tensor([1.0, 2.0, 3.0, 6.0])
    picked = hidden(weighed(ratio=0.25), frames_of(weights.tolist(), 6000)).flatten()
    counts = torch.bincount(picked, minlength=4).numpy()
    assert chisquare(counts, 6000 * (weights / weights.sum()).numpy()).pvalue > 1e-3


@pytest.mark.parametrize(("prefer", "temperature"), [(1, 1.0), (-1, 1.0), (1, 2.0)])
def test_pairs_have_the_probabilities_of_drawing_one_after_the_other(prefer, temperature):
    """Plackett-Luce by its definition, in float64."""
    weights = [1.0, 2.0, 3.0, 6.0]
    powers = [weight ** (prefer / temperature) for weight in weights]
    expected = {}
    for i in range(4):
        for j in set(range(4)) - {i}:
            chance = powers[i] / sum(powers) * powers[j] / (sum(powers) - powers[i])
            key = tuple(sorted((i, j)))
            expected[key] = expected.get(key, 0) + chance
    strategy = weighed(0.5, temperature, 0.0, prefer)
    pairs = [tuple(pair) for pair in hidden(strategy, frames_of(weights, 6000)).tolist()]
    counts = [pairs.count(pair) for pair in expected]
    assert chisquare(counts, [6000 * chance for chance in expected.values()]).pvalue > 1e-3


def test_a_share_of_the_patches_is_drawn_uniformly_first():
    """Of two hidden patches one is any, the other by weight among those that are left."""
    weights = [1.0, 2.0, 3.0, 6.0]
    expected = {}
    for i in range(4):
        for j in set(range(4)) - {i}:
            key = tuple(sorted((i, j)))
            chance = 0.25 * weights[j] / (sum(weights) - weights[i])
            expected[key] = expected.get(key, 0) + chance
    chosen = hidden(weighed(0.5, random_share=0.5), frames_of(weights, 6000))
    pairs = [tuple(pair) for pair in chosen.tolist()]
    counts = [pairs.count(pair) for pair in expected]
    assert chisquare(counts, [6000 * chance for chance in expected.values()]).pvalue > 1e-3


def test_a_high_temperature_is_uniform():
    weights = torch.arange(1.0, 17).tolist()
    counts = torch.bincount(hidden(weighed(0.5, 1e9), frames_of(weights, 4000)).flatten())
    assert chisquare(counts.numpy()).pvalue > 1e-3
    # The test sees a difference: at temperature 1 they are not.
    counts = torch.bincount(hidden(weighed(0.5), frames_of(weights, 4000)).flatten(), minlength=16)
    assert chisquare(counts.numpy()).pvalue < 1e-9


def test_a_low_temperature_hides_the_heaviest():
    weights = torch.rand(1, 16, generator=torch.Generator().manual_seed(3)) + 0.1
    for prefer in (1, -1):
        chosen = hidden(weighed(0.25, 1e-6, 0.0, prefer), frames_of(weights[0].tolist(), 8))
        expected = (prefer * weights).topk(4).indices.sort(1).values
        assert torch.equal(chosen, expected.expand(8, -1))


@pytest.mark.parametrize("settings", [{"random_share": 1.0}, {"temperature": 1e12}])
def test_the_limits_are_the_masks_of_uniform_masking(settings):
    """Also those of later frames: both strategies take the same draws."""
    frames = torch.rand(8, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    one, other = (
        masks_of(strategy, frames, 1, torch.Generator().manual_seed(1))
        for strategy in (weighed(**settings), AsymmetricRandom(0.75))
    )
    assert all(torch.equal(a.hidden, b.hidden) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("strategy", [weighed(random_share=0.3), MotionMasking(0.75)])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_parts_of_a_batch_have_the_masks_of_the_whole(strategy, parts):
    frames = torch.rand(8, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    split = [
        hidden(strategy, part, 1, Part(number, parts))
        for number, part in enumerate(frames.chunk(parts))
    ]
    assert torch.equal(hidden(strategy, frames, 1), torch.cat(split))


def test_masks_follow_the_generator_and_differ_between_samples():
    frames = frames_of([1.0] * 64, 16)
    assert torch.equal(hidden(weighed(), frames, 1), hidden(weighed(), frames, 1))
    assert not torch.equal(hidden(weighed(), frames, 1), hidden(weighed(), frames, 2))
    assert len({tuple(row) for row in hidden(weighed(), frames).tolist()}) == 16


def test_keys_are_finite_at_both_ends_of_the_draws():
    keys = choice_keys(torch.zeros(1, 3), torch.tensor([[0.0, 0.5, 1 - 2.0**-24]]))
    assert torch.isfinite(keys).all()
    assert (keys.diff() > 0).all()


def moving_left(batch=64):
    """4 x 8 patches of 2 pixels; in the left half something changes between the frames."""
    drawn = torch.Generator().manual_seed(0)
    past = torch.randn(batch, 3, 8, 16, generator=drawn)
    future = past.clone()
    future[..., :8] = torch.randn(batch, 3, 8, 8, generator=drawn)
    return torch.stack([past, future], dim=1)


@pytest.mark.parametrize(("toward", "low", "high"), [("moving", 0.9, 1), ("still", 0, 0.1)])
def test_motion_hides_what_moves_or_what_does_not(toward, low, high):
    strategy = MotionMasking(0.25, toward, random_share=0.0)
    masks = masks_of(strategy, moving_left(), 2, torch.Generator().manual_seed(0))
    left = (masks[1].hidden % 8 < 4).float().mean()
    assert low <= left <= high


def test_without_motion_every_patch_is_as_likely():
    frames = torch.randn(1, 1, 3, 8, 8).expand(4000, 2, -1, -1, -1)
    masks = masks_of(MotionMasking(0.5), frames, 2, torch.Generator().manual_seed(0))
    assert chisquare(torch.bincount(masks[1].hidden.flatten()).numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"toward": "up"}, "toward=up: must be moving or still"),
        ({"temperature": 0.0}, "temperature=0.0: must be above 0"),
        ({"random_share": 1.5}, r"random_share=1.5: must be in \[0, 1\]"),
        ({"floor": 0.0}, "floor=0.0: must be above 0"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MotionMasking(0.75, **settings)
