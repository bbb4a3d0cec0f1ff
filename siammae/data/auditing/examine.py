"""One file, or one folder of images, from its first byte to the verdict."""

import importlib.metadata
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from siammae.data.auditing.facts import PYAV, Facts
from siammae.data.auditing.images import read_images
from siammae.data.auditing.seeking import judge_seeking
from siammae.data.auditing.status import status_of
from siammae.data.auditing.straight import read_straight, sample_of_video
from siammae.system.errors import DataError


def examine(path: Path, name: str, reads: int) -> Iterator[Facts | None]:
    """Facts of a file, the last ones being final; None is a sign of life.

    The first facts come before decord sees the file: should it crash, PyAV still reads it.

    Args:
        path: where it lies.
        name: its path in the manifest.
        reads: see `judge_seeking`.
    """
    begun = time.monotonic()
    facts = Facts(name, *status_of(path), decoders=_decoders())
    yield None
    try:
        yield from read_images(path, facts) if path.is_dir() else _examine_video(path, facts, reads)
    except DataError as error:
        facts.reject(str(error).replace(str(path), "").strip(" :"))
    facts.seconds = round(time.monotonic() - begun, 3)
    yield facts


def _examine_video(path: Path, facts: Facts, reads: int) -> Iterator[Facts | None]:
    if not path.is_file():
        raise DataError("is no file" if path.exists() else "no such file")
    with path.open("rb"):  # a file that may not be read is told as such
        pass
    sample = sample_of_video()
    yield from read_straight(path, facts, sample)
    usable = facts.frames or 0
    if facts.first_bad is not None:
        usable = min(usable, facts.first_bad)
    if usable < 2:
        reason, facts.reason = facts.reason, ""
        raise DataError(reason or f"has {usable} frame(s); a pair needs two")
    facts.usable = usable
    yield Facts(**{**vars(facts), "reader": PYAV})
    yield from judge_seeking(path, facts, sample, reads)


@lru_cache(maxsize=1)
def _decoders() -> str:
    told = []
    for package in ("av", "decord"):
        try:
            told.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(told)
