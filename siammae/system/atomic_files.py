"""Files that a crash cannot harm: replaced whole, or appended to by whole lines."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that readers, and a crash, find the old content or the new one whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    data = content.encode() if isinstance(content, str) else content
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file of JSON lines, in order; a line that a crash cut short is left out."""
    try:
        lines: TextIO = path.open()
    except FileNotFoundError:
        return
    with lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append a row; a line that a crash left torn is ended first."""
    with path.open("a") as file:
        if _ends_torn(path):
            file.write("\n")
        file.write(json.dumps(row) + "\n")


def _ends_torn(path: Path) -> bool:
    """Whether the last line lacks its end, as after a crash in the middle of a write."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
