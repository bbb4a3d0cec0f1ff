"""Whether an index is as it was written, known before Arrow parses it.

Arrow trusts a file: a damaged one can end the process (SIGABRT, SIGSEGV), which no caller can
catch. So a checksum lies beside each index, in the format of the command ``sha256sum``. An index
without one, as earlier versions wrote it, is first read in a process of its own.
"""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from siammae.system.atomic_files import write_atomic
from siammae.system.errors import DataError


def checksum_path(path: Path) -> Path:
    """Return the path of the checksum of an index."""
    return path.with_name(f"{path.name}.sha256")


def write_checksum(path: Path) -> None:
    """Write the checksum of an index beside it.

    Raises:
        OSError: when it cannot be written.
    """
    write_atomic(checksum_path(path), f"{_digest(path)}  {path.name}\n")


def remove_index(path: Path) -> None:
    """Remove an index and its checksum."""
    for wrong in (path, checksum_path(path)):
        wrong.unlink(missing_ok=True)


def check_index(path: Path) -> None:
    """Check that Arrow may read an index.

    Raises:
        OSError: when it cannot be read.
        DataError: when it is damaged; the message is the reason alone.
    """
    wanted = _written(path)
    if wanted is None:
        reason = _read_elsewhere(path)
    else:
        reason = "" if _digest(path) == wanted else "its checksum differs"
    if reason:
        raise DataError(reason)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(path: Path) -> str | None:
    """Return the checksum that lies beside an index; None when there is none."""
    try:
        return checksum_path(path).read_text("ascii").split()[0]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError):  # damaged: the index shows whether it is, too
        return None


def _read_elsewhere(path: Path) -> str:
    """Return what is wrong with an index when a process of its own reads it; "" for nothing."""
    path.open("rb").close()
    command = [sys.executable, "-m", "siammae.data.packing.examine_index", str(path)]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    if ended.returncode < 0:
        return f"reading it crashes ({signal.Signals(-ended.returncode).name})"
    lines = ended.stderr.strip().splitlines()
    return "" if ended.returncode == 0 else lines[-1] if lines else "it cannot be examined"
