"""Finished rows of an audit that goes on, one JSON object a line.

Whatever ends the audit costs the files that were being read, and no more.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

from siammae.data.auditing.facts import Facts
from siammae.system.atomic_files import append_line, read_lines
from siammae.system.errors import ConfigError


class Journal:
    """Beside the manifest, with a name that hides it.

    Args:
        manifest: the file that the rows will be in.
    """

    def __init__(self, manifest: Path):
        self.manifest = manifest
        self.path = manifest.with_name(f".{manifest.name}.journal")

    @contextmanager
    def held(self) -> Iterator[None]:
        """One audit writes a manifest; the journal goes when the block ends well.

        Raises:
            ConfigError: when another one does.
        """
        with self.path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"out={self.manifest} is being written by another audit; wait for it"
                ) from None
            except OSError:  # a file system without locks: two audits do the same work twice
                pass
            yield
            self.path.unlink(missing_ok=True)

    def add(self, facts: Facts) -> None:
        """A finished row."""
        append_line(self.path, asdict(facts))

    def rows(self) -> list[Facts]:
        """Of an earlier audit that was ended, by this version of `Facts`."""
        names = {field.name for field in fields(Facts)}
        return [Facts(**row) for row in read_lines(self.path) if set(row) == names]
