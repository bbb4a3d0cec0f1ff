"""A clip that is a folder of images."""

import time
from collections.abc import Iterator
from pathlib import Path

from siammae.config.errors import DataError
from siammae.data.auditing.facts import IMAGES, Facts
from siammae.data.auditing.straight import PULSE

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


def read_images(path: Path, facts: Facts) -> Iterator[None]:
    """Decode every image of a folder, in the order of names; yields as signs of life.

    Raises:
        DataError: when there are fewer than two good ones in a row from the first on.
    """
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    files = [file for file in files if not file.name.startswith(".")]
    facts.frames, told = 0, time.monotonic()
    for number, file in enumerate(files):
        problem = _decode(file, facts)
        if problem is not None and facts.first_bad is None:
            facts.first_bad, facts.reason = number, f"frame {number} ({file.name}) {problem}"
        facts.frames += problem is None
        if time.monotonic() - told > PULSE:
            told = time.monotonic()
            yield
    usable = len(files) if facts.first_bad is None else facts.first_bad
    if usable < 2:
        raise DataError(facts.reason or f"has {usable} image(s); a pair needs two")
    facts.judge(IMAGES, usable)


def _decode(file: Path, facts: Facts) -> str | None:
    """What is wrong with an image; the first one tells size and kind."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image.load()
            size, facts.codec = image.size, (image.format or "").lower()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be decoded: {str(error).replace(str(file), file.name)}"
    if facts.width is None:
        facts.width, facts.height = size
    if size != (facts.width, facts.height):
        return f"has {size[0]}x{size[1]} pixels, not {facts.width}x{facts.height}"
    return None
