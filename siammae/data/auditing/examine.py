"""Examine one video file, folder of images or image, from its first byte to the verdict."""

import importlib.metadata
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from siammae.data.auditing.straight import read_straight
from siammae.data.manifests.facts import IMAGES, VIDEO, Facts, status_of
from siammae.data.reading.image_folder import images_of, is_image, read_image
from siammae.data.reading.single_image import read_upright
from siammae.system.errors import DataError


def examine(path: Path, name: str) -> Iterator[Facts | None]:
    """Yield None as signs of life, and at last the facts of a file.

    Args:
        path: path of the file or folder.
        name: its name in the manifest.
    """
    begun = time.monotonic()
    facts = Facts(name, *status_of(path), decoders=_decoders())
    yield None
    try:
        yield from _examined(path, facts)
    except DataError as error:
        facts.reject(str(error).replace(str(path), "").strip(" :"))
    facts.seconds = round(time.monotonic() - begun, 3)
    yield facts


def _examined(path: Path, facts: Facts) -> Iterator[None]:
    """Fill in the facts; yields as signs of life.

    Raises:
        DataError: when the clip cannot be used.
    """
    if path.is_dir():
        yield from _examine_images(path, facts)
    elif is_image(path.name):
        facts.height, facts.width = read_upright(path).shape[:2]
        facts.frames, facts.codec = 1, path.suffix.lstrip(".").lower()
        facts.judge(IMAGES, 1)
    else:
        yield from _examine_video(path, facts)


def _examine_video(path: Path, facts: Facts) -> Iterator[None]:
    if not path.is_file():
        raise DataError("is no file" if path.exists() else "no such file")
    with path.open("rb"):  # raises what the user should read when it may not be read
        pass
    yield from read_straight(path, facts)
    usable = facts.frames or 0
    if facts.first_bad is not None:
        usable = min(usable, facts.first_bad)
    if usable < 2:
        reason, facts.reason = facts.reason, ""
        raise DataError(reason or f"has {usable} frame(s); a pair needs two")
    facts.judge(VIDEO, usable)


def _examine_images(path: Path, facts: Facts) -> Iterator[None]:
    """Decode every image of a folder, see `ImageClip`; yields as signs of life.

    An image of another size than the first is bad: the two cannot make a pair.

    Raises:
        DataError: when fewer than two images in a row are good from the first on.
    """
    names = images_of(path)
    facts.frames, facts.codec = 0, Path(names[0]).suffix.lstrip(".").lower()
    for number, name in enumerate(names):
        problem = _problem_with(path / name, facts)
        if problem is None:
            facts.frames += 1
        elif facts.first_bad is None:
            facts.first_bad, facts.reason = number, f"frame {number}: {name} {problem}"
        yield
    usable = len(names) if facts.first_bad is None else facts.first_bad
    if usable < 2:
        reason, facts.reason = facts.reason, ""
        raise DataError(reason)
    facts.judge(IMAGES, usable)


def _problem_with(file: Path, facts: Facts) -> str | None:
    """Return what is wrong with an image, if anything; the first good one sets the size."""
    try:
        height, width = read_image(file).shape[:2]
    except DataError as error:
        return str(error).replace(str(file), "").strip()
    if facts.width is None:
        facts.width, facts.height = width, height
    if (width, height) != (facts.width, facts.height):
        return f"has {width}x{height} pixels, not {facts.width}x{facts.height}"
    return None


@lru_cache(maxsize=1)
def _decoders() -> str:
    return f"av {importlib.metadata.version('av')}"
