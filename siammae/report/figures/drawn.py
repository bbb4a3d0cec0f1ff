"""A figure that was written."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Drawn:
    """What it shows, in words, and its files, a PNG first."""

    caption: str
    paths: list[Path]
