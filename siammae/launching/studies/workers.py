"""Which process runs a trial, and whether that process is still alive.

A worker is a process that draws trials of a study. It holds a lock on a file in the temporary
folder of its machine for as long as it lives. On the same machine, a file whose lock is free means
that the worker is dead. On another machine the worker's sign of life in the storage decides.
"""

import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.system.lock import exclusive, is_held

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from siammae.launching.studies.storage import StoredStudy

OWNER, ALIVE = "worker", "alive"  # user attributes of a trial
INTERVAL = 30.0  # seconds between two signs of life
GRACE = 300.0  # seconds without one after which a worker of another machine counts as dead


class Worker:
    """This process, which draws trials; it counts as alive within its ``with`` block."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._stack = ExitStack()

    def __enter__(self) -> "Worker":
        lock_path(self.id).parent.mkdir()  # of its own: a lock numbers its owners in its folder
        self._stack.enter_context(exclusive(lock_path(self.id)))
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()
        shutil.rmtree(lock_path(self.id).parent, ignore_errors=True)

    def own(self, stored: "StoredStudy", number: int) -> None:
        """Write into the storage that this worker runs the trial."""
        stored.set_attribute(number, OWNER, self.id)
        stored.set_attribute(number, ALIVE, time.time())

    @contextmanager
    def alive(self, stored: "StoredStudy", numbers: list[int]) -> Iterator[None]:
        """Write signs of life for these trials while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(INTERVAL):
                for number in numbers:
                    try:
                        stored.set_attribute(number, ALIVE, time.time())
                    except Exception:  # a job has ended its trial, or the storage is away for now
                        continue

        thread = threading.Thread(target=beat, name="study-worker", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def is_dead(trial: "FrozenTrial") -> bool:
    """Return whether the process that ran this unfinished trial is gone."""
    owner = trial.user_attrs.get(OWNER)
    if owner is None:  # drawn this moment, or by a process that knows no owners
        begun = trial.datetime_start or datetime.now()
        return (datetime.now() - begun).total_seconds() > GRACE
    path = lock_path(owner)
    if path.is_file() and os.access(path, os.R_OK):
        return not is_held(path)
    return time.time() - trial.user_attrs.get(ALIVE, 0) > GRACE


def lock_path(owner: str) -> Path:
    """Return the file whose lock a worker of this machine holds."""
    return Path(tempfile.gettempdir()) / f"siammae-worker-{owner}" / "lock"
