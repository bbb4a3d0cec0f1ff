"""Run-length codes, against strings of the COCO API and an encoder written from its description."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from siammae.evaluation.files.rle import decode_mask, decompress
from siammae.system.errors import DataError

spec = importlib.util.spec_from_file_location("coco", Path(__file__).parent / "coco.py")
coco = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coco)
compress, run_lengths = coco.compress, coco.run_lengths

masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(masks)
def test_round_trip(mask):
    runs, size = run_lengths(mask), list(mask.shape)
    assert np.array_equal(decode_mask({"size": size, "counts": runs}), mask)
    assert np.array_equal(decode_mask({"size": size, "counts": compress(runs)}), mask)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=30))
def test_long_runs(runs):
    assert list(decompress(compress(runs))) == runs


def disc():
    y, x = np.mgrid[:90, :120]
    return (y - 40) ** 2 + (x - 60) ** 2 <= 9**2


def box():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = mask[3, 4] = True
    return mask


@pytest.mark.parametrize(
    ("counts", "mask"),
    [  # written by pycocotools 2.0.11
        ("f`41e28K2N2N2N2O00000O20N1000001N2N2N2N5H`[4", disc()),
        (b"5220002O", box()),
        ("<", np.zeros((3, 4), bool)),
        ("0<", np.ones((3, 4), bool)),
    ],
)
def test_strings_of_the_coco_api(counts, mask):
    assert np.array_equal(decode_mask({"size": list(mask.shape), "counts": counts}), mask)


@pytest.mark.parametrize(
    ("rle", "told"),
    [
        ({"size": [2, 2], "counts": [1, 2]}, "add up to 3 pixels, not the 2 x 2"),
        ({"size": [2, 2], "counts": [5, -1]}, "add up to 4 pixels"),
        ({"size": [2, 2], "counts": "4!"}, "character '!' is not in COCO's"),
        ({"size": [2, 2], "counts": "T"}, "ends within a number"),
        ({"size": [2, 2]}, "it needs 'size' and 'counts'"),
        ([[0, 0, 4, 0, 4, 4]], "is no run-length code"),
    ],
)
def test_what_is_no_code_is_refused(rle, told):
    with pytest.raises(DataError, match=told):
        decode_mask(rle)
