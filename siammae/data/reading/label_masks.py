"""Label masks as palette PNGs, the form of DAVIS and VIP."""

from functools import cache
from pathlib import Path

import numpy as np


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write ids (H, W) 0..255 as a PNG with the palette of PASCAL VOC."""
    from PIL import Image

    image = Image.fromarray(ids.astype(np.uint8), mode="P")
    image.putpalette(voc_palette())
    image.save(path)


@cache
def voc_palette() -> list[int]:
    """Return the palette of PASCAL VOC and DAVIS: the bits of an id, spread over the channels."""
    colours = []
    for label in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= ((label >> (3 * bit + channel)) & 1) << (7 - bit)
        colours += channels
    return colours
