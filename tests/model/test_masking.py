import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import masks_of
from scipy.stats import chisquare

from siammae.config.visible_patches import visible_count
from siammae.model.batch_draws import Part
from siammae.model.masking.grid import AsymmetricGrid, bayer_matrix
from siammae.model.masking.uniform import AsymmetricRandom, SymmetricRandom

STRATEGIES = [AsymmetricRandom, SymmetricRandom, AsymmetricGrid]


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), ratio=st.integers(1, 99))
@settings(max_examples=40, deadline=None)
def test_every_patch_is_visible_or_hidden_and_the_count_is_exact(strategy, rows, columns, ratio):
    frames = torch.zeros(3, 2, 1, rows * 2, columns * 2)
    masks = masks_of(strategy(ratio / 100), frames, 2, torch.Generator().manual_seed(ratio))
    assert len(masks) == 2
    for which, mask in enumerate(masks):
        whole = which == 0 and strategy is not SymmetricRandom
        expected = rows * columns if whole else visible_count(rows * columns, ratio / 100)
        assert mask.visible.shape == (3, expected)
        assert mask.is_whole == (expected == rows * columns)
        both = torch.cat([mask.visible, mask.hidden], 1).sort(1).values
        assert torch.equal(both, torch.arange(rows * columns).expand(3, -1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_masks_differ_between_samples_and_steps_and_follow_the_generator(strategy):
    frames = torch.zeros(16, 2, 1, 16, 16)

    def draw(seed):
        return masks_of(strategy(0.9), frames, 2, torch.Generator().manual_seed(seed))[1].visible

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert len({tuple(row) for row in draw(1).tolist()}) > 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_parts_of_a_batch_have_the_masks_of_the_whole(strategy, parts):
    frames = torch.zeros(8, 3, 1, 16, 16)
    whole = masks_of(strategy(0.9), frames, 2, torch.Generator().manual_seed(1))
    split = [
        masks_of(strategy(0.9), part, 2, torch.Generator().manual_seed(1), Part(number, parts))
        for number, part in enumerate(frames.chunk(parts))
    ]
    for frame, mask in enumerate(whole):
        assert torch.equal(mask.hidden, torch.cat([masks[frame].hidden for masks in split]))
        assert torch.equal(mask.visible, torch.cat([masks[frame].visible for masks in split]))


def test_random_masking_is_uniform_over_patches():
    frames = torch.zeros(4000, 2, 1, 8, 8)
    mask = masks_of(AsymmetricRandom(0.75), frames, 2, torch.Generator().manual_seed(0))[1]
    counts = torch.bincount(mask.visible.flatten(), minlength=16)
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_symmetric_frames_are_drawn_apart():
    past, future = masks_of(
        SymmetricRandom(0.5), torch.zeros(8, 2, 1, 16, 16), 2, torch.Generator()
    )
    assert not torch.equal(past.visible, future.visible)


@given(side=st.integers(2, 9), ratio=st.integers(1, 99), past=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_each_frame_keeps_what_its_own_ratio_leaves(side, ratio, past):
    masks = masks_of(SymmetricRandom(ratio / 100, past / 100), torch.zeros(3, 2, 1, side, side), 1)
    expected = [visible_count(side**2, share / 100) for share in (past, ratio)]
    assert [mask.visible.shape[1] for mask in masks] == expected


def test_the_past_frame_s_ratio_is_that_of_the_future_when_not_given():
    one, other = (strategy_masks(SymmetricRandom(0.75, past)) for past in (None, 0.75))
    assert all(torch.equal(a.visible, b.visible) for a, b in zip(one, other, strict=True))
    # Drawn in turn, past first, as it always was: by ranks of uniform noise.
    drawn = torch.Generator().manual_seed(0)
    for mask in one:
        ranks = torch.rand(4, 64, generator=drawn).argsort(dim=1, stable=True)[:, :16]
        assert torch.equal(mask.visible, ranks.sort(1).values)


def test_a_past_frame_of_which_nothing_is_hidden_is_asymmetric_masking():
    one, other = strategy_masks(SymmetricRandom(0.75, 0)), strategy_masks(AsymmetricRandom(0.75))
    assert one[0].is_whole
    assert all(torch.equal(a.visible, b.visible) for a, b in zip(one, other, strict=True))


def strategy_masks(strategy):
    return masks_of(strategy, torch.zeros(4, 2, 1, 8, 8), 1, torch.Generator().manual_seed(0))


def test_grid_keeps_an_even_lattice():
    """At 75% of 8x8 the visible patches are MAE's grid: one in every two-by-two block."""
    masks = masks_of(
        AsymmetricGrid(0.75), torch.zeros(32, 2, 1, 8, 8), 1, torch.Generator().manual_seed(0)
    )
    for visible in masks[1].visible:
        rows, columns = visible // 8, visible % 8
        assert len(set((rows % 2).tolist())) == 1
        assert len(set((columns % 2).tolist())) == 1
        assert len(visible) == 16
    offsets = {(int(v[0]) // 8 % 2, int(v[0]) % 2) for v in masks[1].visible}
    assert len(offsets) == 4  # and the lattice's place is random


@pytest.mark.parametrize("side", [1, 2, 3, 4, 8, 14])
def test_dither_matrix_ranks_every_cell_once(side):
    matrix = bayer_matrix(side)
    assert side <= matrix.shape[0] < 2 * max(side, 1)
    assert torch.equal(matrix.flatten().sort().values, torch.arange(matrix.numel()))


@pytest.mark.parametrize("ratio", [0, 1, -0.5, 1.5])
def test_ratios_out_of_range_are_refused(ratio):
    with pytest.raises(ValueError, match=r"outside \(0, 1\)"):
        AsymmetricRandom(ratio)


@pytest.mark.parametrize("ratio", [1, -0.5, 1.5])
def test_ratios_of_the_past_frame_out_of_range_are_refused(ratio):
    with pytest.raises(ValueError, match=r"past_ratio .* is outside \[0, 1\)"):
        SymmetricRandom(0.5, ratio)
