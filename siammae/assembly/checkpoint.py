"""Checkpoints that a crash at any moment cannot harm.

A file is written under a temporary name, synced and renamed; its SHA-256 stands beside it in
``sha256sum`` format before the file itself appears. The newest two are kept, so that there is one
to go back to when the newest is damaged, and the best one.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from siammae.system.atomic_files import replacing, sync, write_atomic
from siammae.system.checksum import check_checksum, checksum_of, checksum_path, write_checksum
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_object

KEEP = 2


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where the files are; made when missing.
        warn: called with a sentence about each file that is damaged.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = print):
        self.folder, self.warn = folder, warn

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the state after ``step`` optimiser steps and drop all but the newest two.

        Files of later steps are dropped as well: they were damaged, or training would be past them.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(step)
        save_checked(state, path)
        best = self.best()
        done = [found for found in self.paths() if found <= path]
        for old in self.paths():
            if old > path or (old in done[:-KEEP] and old != best):
                old.unlink()
                checksum_path(old).unlink(missing_ok=True)
        for leftover in self.folder.glob("*.partial"):  # of writes that a crash cut short
            leftover.unlink(missing_ok=True)
        return path

    def mark_best(self, path: Path, value: float) -> None:
        """Keep this checkpoint for good, in place of the one that was best before."""
        write_atomic(self.folder / "best.json", json.dumps({"file": path.name, "value": value}))

    def best(self) -> Path | None:
        """Return the checkpoint that `mark_best` named last; None when it is missing."""
        marked = self._marked()
        return None if marked is None else marked[0]

    def best_value(self, step: int) -> float | None:
        """Return the objective of `best`; None when that is of a step later than ``step``."""
        marked = self._marked()
        return None if marked is None or marked[0] > self.path(step) else marked[1]

    def _marked(self) -> tuple[Path, float] | None:
        try:
            content = read_object((self.folder / "best.json").read_text())
            path, value = self.folder / content["file"], float(content["value"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (path, value) if path in self.paths() else None

    def load_newest(self) -> dict[str, Any] | None:
        """Return the newest state that is whole, or None; warn of damaged ones."""
        paths = self.paths()
        for path in reversed(paths):
            try:
                return load_checked(path)
            except DataError as error:
                left = "going back to the checkpoint before it"
                if path == paths[0]:
                    left = "no whole checkpoint is left, and training starts anew"
                self.warn(f"{error}; {left}")
        return None

    def path(self, step: int) -> Path:
        """Return the file for the state after ``step`` optimiser steps."""
        return self.folder / f"step-{step:08d}.pt"

    def paths(self) -> list[Path]:
        """Return the numbered checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.pt"))


def save_checked(state: dict[str, Any], path: Path) -> None:
    """Write ``state`` so that readers of ``path`` see the old file or the whole new one."""
    with replacing(path) as partial:
        with partial.open("wb") as file:
            torch.save(state, file)
            sync(file)
        write_checksum(path, checksum_of(partial))


def load_checked(path: Path) -> dict[str, Any]:
    """Read a checkpoint after comparing its SHA-256.

    Raises:
        DataError: when the file is missing, cut short or changed.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such checkpoint")
    check_checksum(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a file it did not write
        raise DataError(f"{path} is no checkpoint of ours: {type(error).__name__}") from None
