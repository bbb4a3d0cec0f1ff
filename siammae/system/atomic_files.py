"""Files that a crash cannot harm: replaced whole, or appended to by whole lines."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file whole: readers, and a crash, leave the old content or the new, never a mix."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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
