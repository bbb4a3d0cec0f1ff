"""The lock of a run: one process trains it, any number may ask whether one does.

On one machine the kernel decides (flock): it releases a lock when its process ends, however that
happens. Many network file systems hold flock for each machine alone, or have none. So an owner also
has a file ``.owner-N`` beside the lock, whose time of change a thread of it renews. On another
machine it counts as alive while that is fresh. The next owner is who makes ``.owner-N+1``, which
the file system lets one process alone do. N only grows, so that nobody takes over what somebody has
just taken.
"""

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from siammae.system.foreign_json import read_object
from siammae.system.own_process import kernel, name_space, started

PATIENCE = 1.0  # seconds; a reader holds the lock for a moment
PAUSE = 0.05
BEAT = 30.0  # seconds between two signs of life
# An owner whose sign of life is older is dead: ten are missing. Less, and a server that hangs for
# minutes would make two owners; more, and a run whose machine died waits longer than Slurm does to
# find the machine dead (300 s) and put the job back into the queue.
STALE = 300.0
DOUBTFUL = 3 * BEAT  # with one that is older, a start waits until it is fresh again or stale
RELEASED = 0.0  # the time of change of an owner that has gone
NO_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


class LockLost(Exception):
    """Another machine has taken the lock over: this process gave no sign of life for too long."""


@dataclass(frozen=True)
class Owner:
    """Who has a lock.

    kernel: which boot of which machine.
    processes: the name space of ``pid``.
    started: clock ticks after the boot, which distinguish a process from a later one with the same
        number; 0 where unknown.
    """

    host: str
    kernel: str
    processes: str
    pid: int
    started: int


class Held:
    """A lock that this process holds."""

    def __init__(self, place: Path):
        self._place = place

    def check(self) -> None:
        """Check that the lock is still held; call this before writing what it protects.

        Raises:
            LockLost: when it is not, as in a process that was paused for long.
        """
        number, _ = _newest(self._place.parent)
        if number > _number(self._place):
            raise LockLost


@contextmanager
def exclusive(path: Path) -> Iterator[Held]:
    """Hold the lock alone; files are made when missing.

    Raises:
        BlockingIOError: when another process holds it, and for longer than readers do.
    """
    with path.open("a") as file:
        kernel_decides = _flock_patiently(file)
        place = _take(path, kernel_decides)
        leave = threading.Event()
        heart = threading.Thread(target=_beat, args=(place, leave), daemon=True)
        heart.start()
        try:
            yield Held(place)
        finally:
            leave.set()
            heart.join()
            with suppress(OSError):
                os.utime(place, (RELEASED, RELEASED))


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock alone; several may ask this at the same time."""
    try:
        with path.open() as file:
            kernel_decides = _flock(file, fcntl.LOCK_SH)
    except BlockingIOError:
        return True
    except OSError:
        return False
    _, place = _newest(path.parent)
    return place is not None and abs(time.time() - _last_sign(place, kernel_decides)) < STALE


def this_process() -> Owner:
    """Return the owner that this process is, or would be."""
    return Owner(socket.gethostname(), kernel(), name_space(), os.getpid(), started(os.getpid()))


def _take(path: Path, kernel_decides: bool) -> Path:
    """Make the file of the next owner, once the last one has gone or is dead; return its path."""
    number = _wait_for_the_last(path, kernel_decides)
    place = path.parent / f".owner-{number + 1}"
    try:
        with place.open("x") as file:
            json.dump(asdict(this_process()), file)
    except FileExistsError:
        raise BlockingIOError(f"{place} was made just now") from None
    if _newest(path.parent)[1] != place:  # others came and went since the look at the last one
        place.unlink()
        raise BlockingIOError(f"{place} is of the past")
    for old in _places(path.parent):
        if _number(old) < number:  # the last one stays, for those who have just read of it
            with suppress(OSError):
                old.unlink()
    return place


def _wait_for_the_last(path: Path, kernel_decides: bool) -> int:
    """Return the number of the last owner, which is gone; wait while that is in doubt.

    A sign of life from the future is of a clock that was wrong. It counts from when it is first
    seen here, and a second one shows that the owner is alive.

    Raises:
        BlockingIOError: when it is alive.
    """
    is_announced = False
    seen: dict[int, tuple[float, float]] = {}  # signs from the future, by the owner's number
    while True:
        os.utime(path)  # the clock of the file system, by which owners are judged
        now = path.stat().st_mtime
        number, last = _newest(path.parent)
        sign = _last_sign(last, kernel_decides) if last else float("-inf")
        silence = now - sign
        if silence < -BEAT:
            known, since = seen.setdefault(number, (sign, time.monotonic()))
            silence = max(DOUBTFUL, time.monotonic() - since) if known == sign else 0.0
        if silence < DOUBTFUL:
            raise BlockingIOError(f"{last} is alive")
        if silence >= STALE:
            return number
        if not is_announced:
            print(
                f"the last owner of {path.parent} is silent; waiting up to {STALE:.0f} s to see "
                "whether it is dead",
                flush=True,
            )
        is_announced = True
        time.sleep(min(BEAT, STALE - silence))


def _last_sign(place: Path, kernel_decides: bool) -> float:
    """Return the time of an owner's last sign of life; -inf when it is surely gone."""
    try:
        changed = place.stat().st_mtime
        owner = Owner(**read_object(place.read_text()))
    except FileNotFoundError:
        return float("-inf")
    except (OSError, ValueError, TypeError):  # half written, or by another version
        owner = None
    if changed == RELEASED or (owner is not None and _is_dead(owner, kernel_decides)):
        return float("-inf")
    return changed


def _is_dead(owner: Owner, kernel_decides: bool) -> bool:
    """Return whether this machine can tell that an owner, whom no flock protects, is gone."""
    me = this_process()
    if owner.kernel != me.kernel:
        # Of the same machine: it was started anew.
        return owner.kernel.split("/")[0] == me.kernel.split("/")[0] and owner.host == me.host
    if kernel_decides:
        return True
    return owner.processes == me.processes and started(owner.pid) != owner.started


def _beat(place: Path, leave: threading.Event) -> None:
    while not leave.wait(BEAT):
        with suppress(OSError):  # a file system that hangs now may be there at the next beat
            os.utime(place)


def _flock_patiently(file: TextIO) -> bool:
    """Lock alone like `_flock`, but wait for readers up to `PATIENCE` seconds."""
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            return _flock(file, fcntl.LOCK_EX)
        except BlockingIOError:
            if time.monotonic() >= patient_until:
                raise
            time.sleep(PAUSE)


def _flock(file: TextIO, kind: int) -> bool:
    """Lock without waiting; return whether the file system has locks at all."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
        return False
    return True


def _places(folder: Path) -> list[Path]:
    return [place for place in folder.glob(".owner-*") if place.name[7:].isdecimal()]


def _newest(folder: Path) -> tuple[int, Path | None]:
    """Return the number and the file of the last owner; 0 and None when there was none."""
    place = max(_places(folder), key=_number, default=None)
    return (0, None) if place is None else (_number(place), place)


def _number(place: Path) -> int:
    return int(place.name[7:])
