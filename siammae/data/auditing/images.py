"""A clip that is a folder of images."""

import time
from collections.abc import Iterator
from pathlib import Path

from siammae.data.auditing.facts import IMAGES, Facts
from siammae.data.auditing.straight import PULSE
from siammae.data.reading.image_folder import images_of, read_image
from siammae.system.errors import DataError


def read_images(path: Path, facts: Facts) -> Iterator[None]:
    """Decode every frame of a folder, see `ImageClip`; yields as signs of life.

    A frame of another size than the first is bad: it cannot be in a pair with it.

    Raises:
        DataError: when there are fewer than two good ones in a row from the first on.
    """
    names, told = images_of(path), time.monotonic()
    facts.frames, facts.codec = 0, Path(names[0]).suffix.lstrip(".").lower()
    for number, name in enumerate(names):
        problem = _problem(path / name, facts)
        if problem is None:
            facts.frames += 1
        elif facts.first_bad is None:
            facts.first_bad, facts.reason = number, f"frame {number}: {name} {problem}"
        if time.monotonic() - told > PULSE:
            told = time.monotonic()
            yield
    usable = len(names) if facts.first_bad is None else facts.first_bad
    if usable < 2:
        reason, facts.reason = facts.reason, ""
        raise DataError(reason)
    facts.judge(IMAGES, usable)


def _problem(file: Path, facts: Facts) -> str | None:
    """What is wrong with an image; the first good one tells the size."""
    try:
        height, width = read_image(file).shape[:2]
    except DataError as error:
        return str(error).replace(str(file), "").strip()
    if facts.width is None:
        facts.width, facts.height = width, height
    if (width, height) != (facts.width, facts.height):
        return f"has {width}x{height} pixels, not {facts.width}x{facts.height}"
    return None
