"""JSON from elsewhere, whatever it is."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.system.foreign_json import read_object, read_objects, read_value

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES)
def test_an_object_is_read_and_all_else_refused(value):
    text = json.dumps(value)
    assert read_value(text) == value
    if isinstance(value, dict):
        assert read_object(text) == value
    else:
        with pytest.raises(ValueError, match="no object"):
            read_object(text)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        assert read_objects(value) == value
    else:
        with pytest.raises(ValueError, match="no list of objects"):
            read_objects(value)


@given(st.binary() | st.text())
def test_any_text_is_a_value_or_refused(text):
    with contextlib.suppress(ValueError):
        read_value(text)


def test_what_is_nested_without_end_is_refused():
    with pytest.raises(ValueError, match="nested too deep"):
        read_value("[" * 200_000)
