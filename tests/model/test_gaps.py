"""What the decoder gets to know of a gap, and how much a target counts by it."""

import math

import pytest
import torch

from siammae.model.gap_embedding import LearnedGap, SineCosineGap, gap_embedding, gap_weights

GAPS = torch.tensor([-192, -48, -1, 1, 2, 48, 192])


def test_the_code_is_sine_and_cosine_of_the_gap():
    code = SineCosineGap(8)(GAPS)
    assert code.shape == (7, 1, 8)
    for gap, row in zip(GAPS.tolist(), code[:, 0].tolist(), strict=True):
        turns = [gap / 10_000 ** (2 * i / 8) for i in range(4)]
        expected = [*map(math.sin, turns), *map(math.cos, turns)]
        assert row == pytest.approx(expected, abs=1e-4)


def trained(learned):
    """With a last layer as large as the first."""
    torch.nn.init.xavier_uniform_(learned.layers[-1].weight)
    return learned


@pytest.mark.parametrize("kind", ["sincos", "learned"])
def test_every_gap_has_a_code_of_its_own_and_a_sign(kind):
    torch.manual_seed(0)
    gaps = torch.cat([-torch.arange(1, 200), torch.arange(1, 200)])
    embed = gap_embedding(kind, 32)
    codes = (trained(embed) if kind == "learned" else embed)(gaps)[:, 0]
    assert torch.isfinite(codes).all()
    apart = torch.cdist(codes, codes) + 10 * torch.eye(len(gaps))
    assert apart.min() > 1e-2


def test_the_fixed_code_is_no_weight_and_the_learned_one_is():
    assert SineCosineGap(8).state_dict() == {}
    learned = trained(LearnedGap(8))
    learned(GAPS).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in learned.parameters())


def test_a_learned_code_tells_nothing_at_first_and_begins_to_in_one_step():
    learned = LearnedGap(8)
    assert not learned(GAPS).any()
    (learned(GAPS) - torch.randn(7, 1, 8)).square().sum().backward()
    torch.optim.SGD(learned.parameters(), lr=0.1).step()
    codes = learned(GAPS)[:, 0]
    assert torch.pdist(codes).min() > 0


def test_there_are_three_kinds():
    assert gap_embedding("none", 7) is None
    with pytest.raises(ValueError, match="'table' is none of none, sincos, learned"):
        gap_embedding("table", 8)
    with pytest.raises(ValueError, match="width 7 is odd"):
        gap_embedding("sincos", 7)


@pytest.mark.parametrize("power", [-1.0, 0.5, 2.0, 40.0])
def test_weights_are_powers_with_mean_one_in_each_sample(power):
    gap = torch.tensor([[4, -8, 16], [1, 2, -192]])
    weights = gap_weights(gap, power)
    raw = gap.abs().double() ** -power
    torch.testing.assert_close(weights.double(), raw / raw.mean(dim=1, keepdim=True), rtol=1e-4,
                               atol=1e-9)  # fmt: skip
    torch.testing.assert_close(weights.mean(dim=1), torch.ones(2))


def test_without_a_power_all_count_alike():
    assert torch.equal(gap_weights(torch.tensor([[3, 60]]), 0.0), torch.ones(1, 2))
