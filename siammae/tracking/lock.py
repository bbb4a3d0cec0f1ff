"""The lock of a run: one process trains it, any number look whether one does.

The kernel drops a lock with its process, however that dies, so none is held for ever.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 1.0  # seconds; a reader holds the lock for a moment
PAUSE = 0.05


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock alone; the file is made when missing.

    Raises:
        BlockingIOError: when another process has it for longer than readers do.
    """
    with path.open("a") as file:
        patient_until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= patient_until:
                    raise
                time.sleep(PAUSE)
        yield


def is_held(path: Path) -> bool:
    """Whether some process holds the lock alone. Readers do not mistake each other for one."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
