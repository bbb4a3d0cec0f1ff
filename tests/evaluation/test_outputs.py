"""Predicted masks come back from their files as they were, in each data set's form."""

import numpy as np
import pytest
from PIL import Image

from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.kitti import read_instances, read_panoptic
from siammae.evaluation.measuring.outputs import write_mask


@pytest.mark.parametrize(
    ("ids", "mode", "read"),
    [
        (np.array([[0, 1], [7, 255]], np.uint8), "P", read_ids),
        (np.array([[0, 1005], [2001, 10000]], np.uint16), "I;16", read_instances),
        (np.array([[0, 11 << 16 | 300], [13 << 16, 255 << 16]], np.uint32), "RGB", read_panoptic),
    ],
)
def test_masks_are_read_again(tmp_path, ids, mode, read):
    path = tmp_path / "mask.png"
    write_mask(path, ids)
    assert Image.open(path).mode == mode
    assert np.array_equal(read(path), ids)
