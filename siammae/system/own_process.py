"""What tells a process from others, also from those of other machines that see the same files."""

import os
import socket
from functools import cache
from hashlib import blake2b
from pathlib import Path


def kernel() -> str:
    """Return ``MACHINE/BOOT``, or the host's name where the system has no such identifiers."""
    parts = []
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        try:
            parts.append(Path(path).read_text().strip())
        except OSError:
            parts.append(socket.gethostname())
    return "/".join(parts)


def name_space() -> str:
    """Return the name space of this process's number; an empty text where there is none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def started(pid: int) -> int:
    """Return when a process began, in clock ticks after the boot; -1 when there is none.

    0: there is one, and the system does not say when it began.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return -1
    except PermissionError:
        pass
    return 0


@cache
def place_of_numbers() -> str:
    """Return a short hash of where this process's number means this process: machine and space."""
    place = f"{socket.gethostname()} {kernel()} {name_space()}"
    return blake2b(place.encode(), digest_size=4).hexdigest()
