"""Whether an index is as it was written, known before Arrow parses it.

Arrow trusts a file: a damaged one can end the process (SIGABRT, SIGSEGV), which no caller can
catch. So a checksum lies beside each index, in the format of the command ``sha256sum``. An index
without one, as earlier versions wrote it, is first read in a process of its own.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from siammae.system.checksum import checksum_of, checksum_path, kept_checksum
from siammae.system.errors import DataError


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
    wanted = kept_checksum(path)  # of a damaged one the index itself shows whether it is whole
    if wanted is None:
        reason = _read_elsewhere(path)
    else:
        reason = "" if checksum_of(path) == wanted else "its checksum differs"
    if reason:
        raise DataError(reason)


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
