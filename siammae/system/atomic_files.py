"""Files that a crash cannot harm: replaced whole, or appended to by whole lines."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from siammae.system.own_process import place_of_numbers, started

# Hidden; the name of the file, where the process has its number, and the number. Earlier versions
# wrote the number alone.
PARTIAL = re.compile(r"\..+\.(?:([0-9a-f]{8})-)?([0-9]+)\.partial(?:\.[a-z0-9]+)?")
LEFTOVER_SECONDS = 3600.0  # a file is written in less, so one of this age is nobody's any more
_swept: set[Path] = set()  # folders


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file whole: readers, and a crash, leave the old content or the new, never a mix."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(data)
        sync(file)


def sync(file: BinaryIO) -> None:
    """Have all that was written to a file on the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def replacing(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it replaces ``path`` when the block ends well.

    When it does not, the file is removed. One that a killed process left is removed by the next
    process that writes into the folder, as soon as it is known to be nobody's.

    Args:
        path: the file.
        suffix: what the other path has to end with.
    """
    number = f"{place_of_numbers()}-{os.getpid()}"
    partial = path.with_name(f".{path.name}.{number}.partial{suffix}")
    try:
        if path.parent not in _swept:
            _swept.add(path.parent)
            _remove_leftovers(partial)
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _remove_leftovers(partial: Path) -> None:
    """Remove partial files of dead processes; ``partial`` shows the clock of the file system."""
    with suppress(OSError):
        partial.touch()
        now = partial.stat().st_mtime
        for entry in os.scandir(partial.parent):
            named = PARTIAL.fullmatch(entry.name)
            if named is None:
                continue
            with suppress(OSError):
                is_old = now - entry.stat().st_mtime > LEFTOVER_SECONDS
                is_dead = named[1] == place_of_numbers() and started(int(named[2])) == -1
                if is_old or is_dead:
                    Path(entry).unlink(missing_ok=True)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines, in order, without lines that are damaged."""
    try:
        lines: BinaryIO = path.open("rb")
    except FileNotFoundError:
        return
    with lines:
        for line in lines:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append a row to a file of JSON lines; end a line first that a crash cut short."""
    with path.open("a") as file:
        if _ends_torn(path):
            file.write("\n")
        file.write(json.dumps(row) + "\n")


def _ends_torn(path: Path) -> bool:
    """Return whether the last line lacks its end, as after a crash in the middle of a write."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder together, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
