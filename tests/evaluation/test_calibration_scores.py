"""Scores of predicted distributions, on data whose noise is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from siammae.evaluation.scores.calibration import (
    LEVELS,
    calibration_error,
    log_likelihood,
    ranking,
    residuals,
    shares_below,
    sparsification,
    squared_z,
    temperature,
)

SHAPE = (6, 40, 48)
OF_TORCH = {"normal": torch.distributions.Normal, "laplace": torch.distributions.Laplace}
OF_SCIPY = {"normal": stats.norm, "laplace": stats.laplace}


def drawn(family, told=1.0, seed=0, per=SHAPE[-1]):
    """Values of known scales, of which a model says that they are ``told`` times as large."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=SHAPE)
    scale = rng.uniform(0.3, 2.0, size=(*SHAPE[:2], per))
    target = getattr(rng, family)(mean, np.broadcast_to(scale, SHAPE))
    return target, mean, scale * told


@pytest.mark.parametrize("family", OF_SCIPY)
@pytest.mark.parametrize("per", [1, SHAPE[-1]])
def test_a_right_prediction_is_calibrated(family, per):
    known = residuals(*drawn(family, per=per), family)
    assert calibration_error(shares_below(known)) < 0.01
    assert temperature([known]) == pytest.approx(1, abs=0.03)
    assert squared_z(known).mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("family", OF_SCIPY)
def test_one_factor_is_found_and_taken_back(family):
    known = residuals(*drawn(family, told=0.5), family)
    found = temperature([known])
    assert found == pytest.approx(2, abs=0.05)
    assert calibration_error(shares_below(known)) > 0.08
    assert calibration_error(shares_below(known, found)) < 0.01
    assert squared_z(known, found).mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("family", OF_SCIPY)
def test_densities_and_quantiles_are_those_of_scipy(family):
    target, mean, scale = drawn(family, told=0.7, per=1)
    known = residuals(target, mean, scale, family)
    for factor in (1.0, 1.7):
        law = OF_SCIPY[family](mean, scale * factor)
        assert log_likelihood(known, factor) == pytest.approx(law.logpdf(target).mean(), rel=1e-5)
        expected = [(target <= law.ppf(level)).mean() for level in LEVELS]
        assert shares_below(known, factor) == pytest.approx(np.array(expected), abs=1e-4)
        variance = np.broadcast_to(law.var(), SHAPE)
        expected_z2 = ((target - mean) ** 2 / variance).mean(axis=(1, 2))
        assert squared_z(known, factor) == pytest.approx(expected_z2, rel=1e-5)
    assert known.std == pytest.approx(OF_SCIPY[family](0, scale).std().mean(axis=-1))
    assert known.error == pytest.approx(np.sqrt(((target - mean) ** 2).mean(axis=-1)), rel=1e-5)


@pytest.mark.parametrize("family", OF_SCIPY)
def test_no_other_temperature_is_more_likely(family):
    one, other = (residuals(*drawn(family, told=0.4, seed=seed), family) for seed in (1, 2))
    best = optimize.minimize_scalar(
        lambda factor: -log_likelihood(one, factor) - log_likelihood(other, factor),
        bounds=(0.1, 10),
        method="bounded",
    )
    assert temperature([one, other]) == pytest.approx(best.x, rel=1e-3)


def test_log_likelihood_is_that_of_torch():
    target, mean, scale = drawn("laplace", told=1.3)
    law = OF_TORCH["laplace"](torch.tensor(mean), torch.tensor(scale))
    expected = float(law.log_prob(torch.tensor(target)).mean())
    assert log_likelihood(residuals(target, mean, scale, "laplace")) == pytest.approx(
        expected, rel=1e-5
    )


def naive_curve(error, uncertainty):
    """Remove one patch after the other."""
    left, curve = list(range(len(error))), []
    while left:
        curve.append(np.mean([error[i] for i in left]) / np.mean(error))
        left.remove(max(left, key=lambda i: uncertainty[i]))
    return np.array(curve)


distinct = st.lists(st.floats(0.01, 10), min_size=2, max_size=12, unique=True)


@settings(deadline=None, max_examples=60)
@given(error=distinct, data=st.data())
def test_curves_are_those_of_removing_one_after_the_other(error, data):
    order = np.array(data.draw(st.permutations(range(len(error)))), float)
    error = np.array(error)
    assert sparsification(error, order) == pytest.approx(naive_curve(error, order))
    found = ranking(error, order)
    removed = np.arange(len(error)) / len(error)
    naive, oracle = naive_curve(error, order), naive_curve(error, error)
    assert found.ause == pytest.approx(integrate.trapezoid(naive - oracle, removed), abs=1e-9)
    assert found.aurg == pytest.approx(integrate.trapezoid(1 - naive, removed), abs=1e-9)
    assert found.ause >= -1e-12
    assert found.correlation == pytest.approx(stats.spearmanr(order, error).statistic)


@settings(deadline=None, max_examples=60)
@given(error=distinct, shift=st.floats(-3, 3), factor=st.floats(0.1, 9))
def test_a_perfect_order_has_no_area_below_it(error, shift, factor):
    error = np.array(error)
    order = stats.rankdata(error) * factor + shift
    assert ranking(error, order).ause == pytest.approx(0, abs=1e-12)


def test_a_spread_that_is_the_same_everywhere_is_as_good_as_chance():
    rng = np.random.default_rng(0)
    error = rng.gamma(2, size=30)
    constant = ranking(error, np.ones(30))
    assert constant.curve == pytest.approx(np.ones(20))
    assert (constant.aurg, constant.correlation) == (pytest.approx(0), 0)
    random = [ranking(error, rng.permutation(30).astype(float)) for _ in range(800)]
    assert np.mean([each.ause for each in random]) == pytest.approx(constant.ause, abs=0.02)
    assert np.mean([each.correlation for each in random]) == pytest.approx(0, abs=0.03)


def test_patches_that_are_equally_uncertain_are_removed_in_every_order():
    error = np.array([5.0, 1.0, 4.0, 2.0])
    uncertainty = np.array([1.0, 1.0, 0.0, 1.0])
    orders = [np.argsort(np.random.default_rng(i).random(4)) / 100 for i in range(3000)]
    average = np.mean([naive_curve(error, uncertainty + small) for small in orders], axis=0)
    assert sparsification(error, uncertainty) == pytest.approx(average, abs=0.02)


def test_what_cannot_be_scored_is_refused():
    target, mean, scale = drawn("normal")
    with pytest.raises(ValueError, match="none of normal, laplace"):
        residuals(target, mean, scale, "cauchy")
    with pytest.raises(ValueError, match="not above 0"):
        residuals(target, mean, 0 * scale, "normal")
    with pytest.raises(ValueError, match="NaN"):
        residuals(target, mean * np.nan, scale, "normal")
    both = [residuals(target, mean, scale, family) for family in OF_SCIPY]
    with pytest.raises(ValueError, match="one family"):
        temperature(both)
    with pytest.raises(ValueError, match="one family"):
        temperature([])


def test_a_prediction_without_any_error_has_a_score():
    target, _, scale = drawn("normal")
    exact = residuals(target, target, scale, "normal")
    assert 0 < temperature([exact]) < 1e-30
    assert ranking(exact.error[0], exact.std[0]).ause == 0
    assert np.isfinite(log_likelihood(exact, temperature([exact])))
