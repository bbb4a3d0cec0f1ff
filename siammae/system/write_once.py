"""Folders that are made at their first use: there whole, or not at all."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from siammae.system.errors import DataError

LEFTOVER_SECONDS = 3600  # an unfinished folder of this age belongs to nobody any more


def write_once(folder: Path, write: Callable[[Path], None], root: str) -> None:
    """Fill a folder when it is not there.

    Several processes may do so at once: the first to finish wins, the others' work is dropped.

    Args:
        folder: to be there afterwards.
        write: fills the temporary folder that it is given, which is then renamed.
        root: the setting that says where the folder lies, as ``KEY=VALUE``, for the error.

    Raises:
        DataError: when the parent folder cannot be written.
    """
    if folder.is_dir():
        return
    parent = folder.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=parent))
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
    _sweep(parent)


def _sweep(parent: Path) -> None:
    """Remove what interrupted processes left behind."""
    for leftover in parent.glob(".unfinished-*"):
        try:
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:
            continue
