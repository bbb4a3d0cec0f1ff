"""A place on the disk that one process works in at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siammae.system.lock import NO_FLOCK


@contextmanager
def claimed(lock_file: Path, refusal: Exception) -> Iterator[None]:
    """Hold a lock file in this block, without waiting for it.

    On a file system without locks nobody is kept out. The lock of a run, which also holds between
    machines, is `siammae.system.lock`.

    Args:
        lock_file: made when it is missing; it stays, since removing it would let two in.
        refusal: raised when another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise refusal from None
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
    try:
        yield
    finally:
        lock.release()
