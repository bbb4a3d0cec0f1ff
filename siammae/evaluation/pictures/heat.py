"""Heat maps and the bar that tells their scale."""

from collections.abc import Sequence

import numpy as np

NOTHING = 190  # grey, where there is no value
BAR, MARGIN = 14, 6  # width of the bar and space around it, in pixels
TEXT = 12  # height of the numbers beside it


def upper_end(maps: Sequence[np.ndarray]) -> float:
    """Of a scale from 0 for all these maps together: their 99th percentile, NaN left out."""
    values = np.concatenate([np.ravel(values) for values in maps])
    values = values[np.isfinite(values)]
    return max(float(np.percentile(values, 99)), 1e-6) if values.size else 1.0


def paint(values: np.ndarray, high: float) -> np.ndarray:
    """Colours (H, W, 3) uint8 of values (H, W) from 0 to ``high``; NaN is grey.

    By matplotlib's magma, perceptually uniform: equal steps look equal, also without colour.
    """
    import cv2

    known = np.isfinite(values)
    levels = np.where(known, values, 0).clip(0, high) / high * 255
    colours = cv2.applyColorMap(levels.round().astype(np.uint8), cv2.COLORMAP_MAGMA)[..., ::-1]
    return np.where(known[..., None], colours, np.uint8(NOTHING))


def colour_bar(height: int, high: float, unit: str) -> np.ndarray:
    """Pixels (height, W, 3) uint8: the scale from 0 to ``high``, numbers, and the unit, upwards."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    numbers = [f"{high * share:.2g}" for share in (0, 0.5, 1)]
    beside = max(font.getbbox(number)[2] for number in numbers)
    width = int(BAR + beside + TEXT + 5 * MARGIN)
    image = Image.new("RGB", (width, height), "white")
    long = max(2, height - 2 * MARGIN - TEXT)
    top = (height - long) // 2
    ramp = np.repeat(np.linspace(high, 0, long)[:, None], BAR, axis=1)
    image.paste(Image.fromarray(paint(ramp, high)), (MARGIN, top))
    draw = ImageDraw.Draw(image)
    for share, number in zip((0, 0.5, 1), numbers, strict=True):
        place = top + (1 - share) * (long - 1) - TEXT / 2 - 1
        draw.text((BAR + 2 * MARGIN, place), number, "black", font)
    label = Image.new("RGB", (max(1, int(font.getlength(unit))), TEXT + 4), "white")
    ImageDraw.Draw(label).text((0, 0), unit, "black", font)
    label = label.rotate(90, expand=True)
    image.paste(label, (width - TEXT - MARGIN, max(0, (height - label.height) // 2)))
    return np.asarray(image)


def with_bar(pixels: np.ndarray, high: float, unit: str) -> np.ndarray:
    """Pixels (H, W, 3) with the bar on their right."""
    return np.concatenate([pixels, colour_bar(len(pixels), high, unit)], axis=1)
