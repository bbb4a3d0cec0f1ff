"""A file against its published size and checksum."""

import hashlib
from pathlib import Path


def why_wrong(path: Path, size: int | None, checksum: tuple[str, str] | None) -> str:
    """What differs from what is published, or an empty text.

    Args:
        path: of the file.
        size: published bytes, or None.
        checksum: published algorithm, as `hashlib` names it, and hexadecimal digest, or None.
    """
    length = path.stat().st_size
    if size is not None and length != size:
        return f"wrong size, {length} bytes instead of the published {size}"
    if checksum is None:
        return ""
    algorithm, wanted = checksum
    with path.open("rb") as file:
        got = hashlib.file_digest(file, algorithm).hexdigest()
    return "" if got == wanted else f"wrong {algorithm}, {got} instead of the published {wanted}"


def set_aside(path: Path, name: Path) -> Path:
    """Rename a file that must not be used to ``name.bad``; returns that."""
    bad = name.with_name(name.name + ".bad")
    path.replace(bad)
    return bad
