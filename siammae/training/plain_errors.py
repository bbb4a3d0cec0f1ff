"""A disk that refuses to be written in the middle of a run, in one line with a cure."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siammae.system.errors import SiammaeError, TrainingError

ROOM, WRITABLE = "free some room", "make it writable"
CURES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: ROOM,
    errno.EROFS: WRITABLE,
    errno.EACCES: WRITABLE,
    errno.EPERM: WRITABLE,
}


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Raise what the disk refuses to a run in this block as an error of the user's.

    Args:
        folder: of the run.

    Raises:
        TrainingError: when the disk is full or the folder is no longer writable.
    """
    try:
        yield
    except SiammaeError:
        raise
    except Exception as error:
        line = _refusal(error, folder)
        if line is None:
            raise
        raise TrainingError(f"{line}, and the same command goes on") from None


def _refusal(error: BaseException, folder: Path) -> str | None:
    """Return what cannot be written and why, when that is what the error or its cause says.

    torch and safetensors raise kinds of their own, with the system's message in their text.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in CURES:
            where = cause.filename or folder
            return f"{where} cannot be written: {cause.strerror}; {CURES[cause.errno]}"
        cause = cause.__cause__ or cause.__context__
    for number, cure in CURES.items():
        if f"os error {number})" in str(error):  # Rust's way to say it
            return f"{folder} cannot be written: {os.strerror(number)}; {cure}"
    return None
