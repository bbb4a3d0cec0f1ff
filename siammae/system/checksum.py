"""The SHA-256 of a file, kept beside it as the command ``sha256sum -c`` reads it."""

import hashlib
from pathlib import Path

from siammae.system.atomic_files import write_atomic
from siammae.system.errors import DataError


def checksum_path(path: Path) -> Path:
    """Return the file with a file's checksum."""
    return path.with_name(f"{path.name}.sha256")


def checksum_of(path: Path) -> str:
    """Return the checksum of what a file holds.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksum(path: Path, checksum: str) -> None:
    """Write a file's checksum beside it.

    Raises:
        OSError: when it cannot be written.
    """
    write_atomic(checksum_path(path), f"{checksum}  {path.name}\n")


def kept_checksum(path: Path) -> str | None:
    """Return the checksum that lies beside a file; None where there is none, or no text of one."""
    try:
        return checksum_path(path).read_text("ascii").split()[0]
    except (OSError, ValueError, IndexError):
        return None


def check_checksum(path: Path) -> None:
    """Compare a file with the checksum beside it.

    Raises:
        DataError: when that is missing, damaged, or of other content.
    """
    kept = kept_checksum(path)
    if kept is None:
        raise DataError(f"{path}: its SHA-256 file is missing or damaged, it cannot be trusted")
    if checksum_of(path) != kept:
        raise DataError(f"{path} is damaged: its SHA-256 differs from {checksum_path(path).name}")


def check_checksum_beside(path: Path) -> None:
    """Compare a file with its checksum as `check_checksum` does, where there is one beside it."""
    if checksum_path(path).exists():
        check_checksum(path)
