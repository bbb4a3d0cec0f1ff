"""Digests of what files hold, remembered so that a file is read again only when it has changed."""

import hashlib
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from siammae.system.atomic_files import write_atomic

SETTLED = 2 * 10**9  # ns; a file of this age cannot change again at the same time of change


class Contents:
    """The digests of files.

    A file is known again by its path, size and time of change in ns.

    Args:
        memory: the file where digests are kept; it is made when it is missing, and read anew when
            it is damaged. Where it cannot be written, none are kept.
    """

    def __init__(self, memory: Path):
        self.memory = memory
        self._known: dict[str, list[object]] = {}
        with suppress(OSError, ValueError, RecursionError):
            known = json.loads(memory.read_text())
            self._known = known if isinstance(known, dict) else {}

    def digests(self, paths: Iterable[Path]) -> list[str]:
        """Return a digest of each file's content; empty for one that cannot be read."""
        found = [self._digest(path) for path in paths]
        if any(is_new for _, is_new in found):
            with suppress(OSError):
                self.memory.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self.memory, json.dumps(self._known))
        return [digest for digest, _ in found]

    def _digest(self, path: Path) -> tuple[str, bool]:
        """Return a file's digest, and whether it is new in the memory."""
        name = str(path.absolute())
        try:
            status = path.stat()
            facts = [status.st_size, status.st_mtime_ns]
            known = self._known.get(name)
            if isinstance(known, list) and known[:2] == facts and isinstance(known[-1], str):
                return known[-1], False
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return "", False
        if time.time_ns() - status.st_mtime_ns < SETTLED:
            return digest, False
        self._known[name] = [*facts, digest]
        return digest, True
