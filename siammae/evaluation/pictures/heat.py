"""Heat maps and the bar that shows their scale."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NOTHING = 190  # grey, where there is no value
BAR, MARGIN = 14, 6  # width of the bar and space around it, in pixels
TEXT = 12  # height of the numbers beside it


class Scale(NamedTuple):
    """The values of the darkest and the lightest colour; what is beyond has the same colours."""

    low: float
    high: float


def scale_of(maps: Sequence[np.ndarray]) -> Scale:
    """Return one scale for all these maps: their 1st to 99th percentile, NaN left out."""
    values = np.concatenate([np.ravel(values) for values in maps])
    values = values[np.isfinite(values)]
    if not values.size:
        return Scale(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    return Scale(low, max(high, low + 1e-6))


def paint(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return colours (H, W, 3) uint8 of values (H, W); NaN is grey.

    The map is matplotlib's magma, perceptually uniform: equal steps look equal, also in grey.
    """
    import cv2

    known = np.isfinite(values)
    shares = (np.where(known, values, 0) - scale.low) / (scale.high - scale.low)
    levels = (shares.clip(0, 1) * 255).round().astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_MAGMA)[..., ::-1]
    return np.where(known[..., None], colours, np.uint8(NOTHING))


def colour_bar(height: int, scale: Scale, unit: str) -> np.ndarray:
    """Draw a bar (height, W, 3) uint8: the scale with its numbers, and the unit written upwards."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    values = np.linspace(*scale, 3)
    numbers = [f"{value:.2f}" for value in values]
    beside = max(font.getbbox(number)[2] for number in numbers)
    width = int(BAR + beside + TEXT + 5 * MARGIN)
    image = Image.new("RGB", (width, height), "white")
    long = max(2, height - 2 * MARGIN - TEXT)
    top = (height - long) // 2
    ramp = np.repeat(np.linspace(scale.high, scale.low, long)[:, None], BAR, axis=1)
    image.paste(Image.fromarray(paint(ramp, scale)), (MARGIN, top))
    draw = ImageDraw.Draw(image)
    for share, number in zip((0, 0.5, 1), numbers, strict=True):
        place = top + (1 - share) * (long - 1) - TEXT / 2 - 1
        draw.text((BAR + 2 * MARGIN, place), number, "black", font)
    label = Image.new("RGB", (max(1, int(font.getlength(unit))), TEXT + 4), "white")
    ImageDraw.Draw(label).text((0, 0), unit, "black", font)
    label = label.rotate(90, expand=True)
    image.paste(label, (width - TEXT - MARGIN, max(0, (height - label.height) // 2)))
    return np.asarray(image)


def with_bar(pixels: np.ndarray, scale: Scale, unit: str) -> np.ndarray:
    """Return pixels (H, W, 3) with the bar on their right."""
    return np.concatenate([pixels, colour_bar(len(pixels), scale, unit)], axis=1)
