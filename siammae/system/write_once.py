"""Folders that are written at their first use, and are either complete or not there."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from siammae.system.errors import DataError

LEFTOVER_SECONDS = 3600  # an unfinished folder of this age belongs to nobody any more


def write_once(folder: Path, write: Callable[[Path], None], root: str) -> None:
    """Write a folder unless it is there.

    Several processes may do so at once: the first to finish wins, the others' work is removed.

    Args:
        folder: that is there afterwards.
        write: called with a temporary folder to fill, which is then renamed.
        root: the setting that says where the folder lies, as ``KEY=VALUE``, for the error.

    Raises:
        DataError: when the parent folder cannot be written.
    """
    if folder.is_dir():
        return
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        work = parent / f".unfinished-{uuid4().hex}"
        work.mkdir()  # not tempfile's, which nobody but its owner may read
    except OSError as error:
        raise DataError(f"{root} cannot be written: {error.strerror}") from None
    print(f"writing the built-in data set to {folder}", flush=True)
    try:
        write(work)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _remove_leftovers(parent)


def _remove_leftovers(parent: Path) -> None:
    """Remove the temporary folders of interrupted processes."""
    for leftover in parent.glob(".unfinished-*"):
        try:
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:
            continue
