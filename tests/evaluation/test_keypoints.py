import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siammae.evaluation.propagation.keypoints import draw_joints, read_joints

SHAPE, GRID = (240, 320), (20, 20)  # cells of 12 x 16 pixels


def plain_map(x, y, sigma):
    """One joint's label cell by cell."""
    column, row = x * 20 / 320, y * 20 / 240
    column, row = int(np.floor(column + 0.5)), int(np.floor(row + 0.5))
    labels = np.zeros(GRID)
    for i in range(20):
        for j in range(20):
            if abs(i - row) <= np.ceil(3 * sigma) and abs(j - column) <= np.ceil(3 * sigma):
                labels[i, j] = np.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * sigma**2))
    return labels


@settings(max_examples=50, deadline=None)
@given(st.floats(-60, 400), st.floats(-60, 300), st.sampled_from([0.5, 1.0]))
def test_equals_a_plain_loop(x, y, sigma):
    labels = draw_joints(np.array([[x], [y]]), SHAPE, GRID, sigma)
    np.testing.assert_allclose(labels[1].numpy(), plain_map(x, y, sigma), atol=1e-6)
    assert torch.equal(labels[0], (labels[1] == 0).float())


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 295), st.floats(0, 221))
def test_what_is_drawn_is_read_at_the_nearest_cell(x, y):
    """Not half a cell off, and not truncated near the left and top edge."""
    joints = np.array([[x], [y]])
    read = read_joints(draw_joints(joints, SHAPE, GRID, 0.5), SHAPE, 1)
    assert abs(read[0, 0] - x) <= 8 + 1e-4
    assert abs(read[1, 0] - y) <= 6 + 1e-4


@pytest.mark.parametrize(("x", "column"), [(0.0, 0), (7.9, 0), (8.1, 1), (9.6, 1), (16.0, 1)])
def test_joints_at_the_left_edge(x, column):
    """The published scripts draw x = 9.6, 0.6 of a cell, into column 2."""
    labels = draw_joints(np.array([[x], [100.0]]), SHAPE, GRID, 0.5)
    assert int(labels[1].amax(dim=0).argmax()) == column


def test_a_joint_outside_leaves_its_tail_or_nothing():
    joints = np.array([[-16.0, 340.0, -100.0], [120.0, 120.0, 120.0]])
    labels = draw_joints(joints, SHAPE, GRID, 0.5)
    assert labels[1, 10, 0].item() == pytest.approx(np.exp(-2))
    assert labels[2, 10, 19].item() == pytest.approx(np.exp(-8))
    assert labels[3].sum() == 0
    read = read_joints(labels, SHAPE, 5)
    assert np.isfinite(read[:, :2]).all()
    assert np.isnan(read[:, 2]).all()


def test_background_is_where_no_joint_is():
    labels = draw_joints(np.array([[48.0, 160.0], [36.0, 120.0]]), SHAPE, GRID, 0.5)
    assert labels.shape == (3, 20, 20)
    assert set(labels[0].unique().tolist()) == {0.0, 1.0}
    assert labels[0, 3, 3] == labels[0, 10, 10] == 0
    assert int((labels[0] == 0).sum()) == 2 * 25


def test_reading_by_hand():
    """Two cells with weights 3 and 1: three quarters of the way to the first."""
    labels = torch.zeros(2, 20, 20)
    labels[1, 4, 6], labels[1, 4, 10] = 0.3, 0.1
    read = read_joints(labels, SHAPE, 5)
    assert read[:, 0].tolist() == pytest.approx([7 * 16, 4 * 12])
    assert read_joints(labels, SHAPE, 1)[:, 0].tolist() == pytest.approx([6 * 16, 4 * 12])


def test_a_grid_smaller_than_the_cells_asked_for():
    labels = torch.ones(2, 1, 2)
    assert read_joints(labels, (10, 20), 5)[:, 0].tolist() == [5.0, 0.0]
