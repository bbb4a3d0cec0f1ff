"""A kind of input: how it is made, which of its files are damaged, and what reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SKIPPED = "skipped"  # a part that was left out, and said so


def skipped(*reasons: object) -> str:
    """Return `SKIPPED` for a part of which a line says why it is left out."""
    assert all("\n" not in str(reason) for reason in reasons), reasons
    return SKIPPED


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    make: writes an intact one into a folder. read: reads it; returns its parts by name, `SKIPPED`
    for those that were left out and named. files: pattern of the files to be damaged. weight: their
    share of all. can_tell: whether a checksum, or a second copy, tells that the content is another,
    so that a change must be noticed.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], dict[str, Any]]
    files: str
    weight: float = 0.02
    can_tell: bool = False
