import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siammae.data.sampling.loader import generator


@given(st.lists(st.integers(0, 2**70) | st.sampled_from([0, 2**32 - 1, 2**32, 2**64]), min_size=1))
def test_the_generator_is_numpys_own(numbers):
    expected = np.random.default_rng(numbers).integers(0, 2**63, 4)
    np.testing.assert_array_equal(generator(*numbers).integers(0, 2**63, 4), expected)
