"""Text from files of others, made harmless before it is printed or becomes a path.

Records, studies, lists and archives may come from anywhere, and whoever made one chose the names
and texts in it.
"""

import hashlib
import os
import re
from pathlib import Path, PureWindowsPath
from typing import Any

from siammae.system.errors import DataError
from siammae.system.printable import printable

LONGEST = 80  # characters of a file's name that is made of another name


def all_printable(content: Any) -> Any:
    """Return what a JSON or YAML file holds with every text in it, keys as well, `printable`."""
    if isinstance(content, str):
        return printable(content)
    if isinstance(content, dict):
        return {all_printable(key): all_printable(value) for key, value in content.items()}
    return [all_printable(item) for item in content] if isinstance(content, list) else content


def one_line(value: object) -> str:
    """Return a value as text of one line, which cannot end the comment or row that it stands in."""
    return printable(" ".join(str(value).split()))


def as_utf8(name: str) -> str:
    """Return a name as text that every file can hold: bytes that are no UTF-8 are ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def refusal(name: str) -> str:
    """Return why a name may not become a path below a folder; empty when it may.

    It is read as POSIX reads it and as Windows does; ``a/b`` may.
    """
    windows = PureWindowsPath(name)  # splits at both kinds of slash
    if name.startswith(("/", "\\")) or windows.drive:
        return "has an absolute name"
    if ".." in windows.parts:
        return "lies outside the target"
    return "has no proper name" if "\0" in name else ""


def below(folder: Path, name: str, origin: object) -> Path:
    """Return the path of a name below a folder.

    Args:
        folder: that is not left.
        name: may have slashes.
        origin: where the name comes from, for the error.

    Raises:
        DataError: when it would lead elsewhere.
    """
    why = refusal(name)
    if why:
        raise DataError(f"{origin}: {name!r} {why}; refused")
    return folder / name


def as_file_name(name: str) -> str:
    """Return a name for a file or folder: the same where that is safe, else one made of it.

    The end of a made one is a hash, so that unlike names stay unlike.
    """
    plain = re.sub(r"[^\w.,=+@()-]", "_", name, flags=re.ASCII).lstrip(".-")
    if plain == name and 0 < len(plain) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[:LONGEST].rstrip('.-_')}-{digest}".lstrip("-")
