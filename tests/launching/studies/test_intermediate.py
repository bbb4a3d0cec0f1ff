"""The objective on a run's way, from its rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.training.intermediate import intermediate_values


def test_of_a_benchmark_it_is_the_figure_at_each_evaluation():
    rows = [
        {"step": 2, "train/loss": 1.0},
        {"step": 2, "sprites/J&F-Mean": 0.1},
        {"step": 4, "sprites/J&F-Mean": 0.2, "sprites/J-Mean": 0.9},
    ]
    assert intermediate_values(rows, [2, 4, 6], "sprites", "J&F-Mean") == {1: 0.1, 2: 0.2}


def test_of_an_error_it_is_the_figure_with_its_sign_turned():
    rows = [{"step": 2, "own/RMSE": 3.5}, {"step": 4, "own/RMSE": 1.5}]
    assert intermediate_values(rows, [2, 4], "own", "-RMSE") == {1: -3.5, 2: -1.5}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.data())
def test_of_a_loss_it_is_the_mean_of_the_last_hundred_steps(windows, data):
    """Against the steps themselves, where a window has one loss throughout."""
    losses, rows = [], []
    for size in windows:
        loss = data.draw(st.floats(0.1, 2.0))
        losses += [loss] * size
        rows.append({"step": len(losses), "train/loss": loss})
    step = data.draw(st.integers(1, len(losses)))
    found = intermediate_values(rows, [step, len(losses) + 1], None, "-train/loss")
    last = losses[max(0, step - 100) : step]
    assert found == {1: pytest.approx(-sum(last) / len(last))}
