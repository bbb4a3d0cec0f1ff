"""How many patches a ratio leaves, and the ratio that a refused one is told."""

import subprocess
import sys
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.config.visible_patches import hidden, largest_ratio, visible_count


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"),
    [(196, 0.95, 9), (784, 0.95, 39), (196, 0.5, 98), (196, 0.75, 49), (196, 0.9, 19)],
)
def test_visible_patches_of_the_paper(patches, ratio, visible):
    assert visible_count(patches, ratio) == visible


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"),
    [(196, 0.985, 2), (196, 0.99, 1), (784, 0.75, 196), (784, 0.9, 78), (100, 0.9, 10)],
)
def test_visible_patches_where_binary_fractions_mislead(patches, ratio, visible):
    assert visible_count(patches, ratio) == visible


@given(patches=st.integers(1, 4096), thousandths=st.integers(1, 999))
def test_visible_count_is_exact(patches, thousandths):
    exact = floor(patches * (1 - Fraction(thousandths, 1000)))
    assert visible_count(patches, thousandths / 1000) == exact


@pytest.mark.parametrize("side", [*range(2, 29), 60, 150])
def test_the_hinted_ratio_leaves_exactly_one(side):
    hint = Fraction(repr(largest_ratio(side**2)))  # as it is printed and typed
    assert 0 < hint < 1
    assert floor(side**2 * (1 - hint)) == 1


@given(side=st.integers(2, 30), thousandths=st.integers(1, 999))
def test_a_ratio_for_more_patches_leaves_one_of_few(side, thousandths):
    ratio = thousandths / 1000
    found = hidden(ratio, 8 * side, 8)
    if visible_count(side**2, ratio):
        assert found == ratio
    else:
        assert visible_count(side**2, found) == 1


def test_counting_imports_no_torch():
    script = "import sys, siammae.config.schema; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
