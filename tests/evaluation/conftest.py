"""A small data set in DAVIS's layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siammae.data.reading.label_masks import write_ids


def write_davis(root: Path, names: list[str], year: int = 2017, frames: int = 5) -> Path:
    """Two coloured squares move over a grey ground; in 2016 there is one, of value 255."""
    for number, name in enumerate(names):
        images = root / "JPEGImages/480p" / name
        masks = root / "Annotations/480p" / name
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for t in range(frames):
            ids = np.zeros((48, 56 + 8 * number), np.uint8)
            ids[8:24, 8 + 2 * t : 24 + 2 * t] = 1
            if year == 2017:
                ids[28:44, 30 - 2 * t : 46 - 2 * t] = 2
            pixels = np.full((*ids.shape, 3), 90, np.uint8)
            pixels[ids == 1], pixels[ids == 2] = (220, 40, 40), (40, 40, 220)
            Image.fromarray(pixels).save(images / f"{t:05d}.jpg", quality=95)
            if year == 2017:
                write_ids(masks / f"{t:05d}.png", ids)
            else:
                Image.fromarray(ids * 255).save(masks / f"{t:05d}.png")
    lists = root / "ImageSets" / str(year)
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.fixture
def davis2017(tmp_path) -> Path:
    return write_davis(tmp_path / "DAVIS", ["walk", "run"])


@pytest.fixture
def davis2016(tmp_path) -> Path:
    return write_davis(tmp_path / "DAVIS16", ["walk", "run"], 2016)
