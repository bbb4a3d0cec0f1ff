"""Pictures with captions side by side, as one JPEG."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

GAP = 4  # white pixels between tiles
CAPTION = 18  # pixels above a tile


def contact_sheet(
    tiles: Sequence[np.ndarray], captions: Sequence[str], columns: int, height: int
) -> bytes:
    """Return the JPEG of a grid of tiles, filled row by row, each under its caption.

    Args:
        tiles: pictures (H, W, 3) uint8 of one size, RGB.
        captions: a short text for each; an empty one leaves its place white.
        columns: tiles in a row.
        height: of a tile in the sheet, in pixels; the width follows.
    """
    return jpeg(tile_grid(tiles, captions, columns, height))


def tile_grid(
    tiles: Sequence[np.ndarray], captions: Sequence[str], columns: int, height: int
) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of `contact_sheet`, whose arguments these are."""
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(tiles))
    width = max(1, round(tiles[0].shape[1] * height / tiles[0].shape[0]))
    step = (width + GAP, height + CAPTION + GAP)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * step[0] + GAP, rows * step[1] + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION * 0.7)
    for number, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        left = GAP + number % columns * step[0]
        top = GAP + number // columns * step[1]
        draw.text((left, top), caption, "black", font)
        sheet.paste(Image.fromarray(enlarge(tile, height, width)), (left, top + CAPTION))
    return np.asarray(sheet)


def enlarge(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize pixels (H, W, 3): averaged when smaller, bicubic when larger."""
    import cv2

    smaller = height < pixels.shape[0]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=way)


def jpeg(pixels: np.ndarray) -> bytes:
    """Encode pixels (H, W, 3) uint8 as JPEG."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
