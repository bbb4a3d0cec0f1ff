"""What each archive put where: its URL and its files, in ``ROOT/.download/ARCHIVE.files``."""

from collections.abc import Mapping
from pathlib import Path

from siammae.data.downloading.catalog import Source
from siammae.tracking.record import write_atomic

FOLDER = ".download"


def write_receipt(source: Source, root: Path, sizes: Mapping[Path, int]) -> None:
    """Note that an archive is done, with the bytes of its files by their paths in it."""
    rows = [f"{size} {Path(source.extract_to, path).as_posix()}" for path, size in sizes.items()]
    write_atomic(_path(source, root), "\n".join([source.url, *rows]) + "\n")


def lost_files(source: Source, root: Path) -> list[str] | None:
    """What is missing, or has another size, of what the archive put there; None before it did."""
    path = _path(source, root)
    if not path.is_file():
        return None
    url, *lines = path.read_text().splitlines()
    if url != source.url:
        return None
    rows = [line.split(" ", 1) for line in lines]
    return [name for size, name in rows if _size(root / name) != int(size)]


def _path(source: Source, root: Path) -> Path:
    return root / FOLDER / f"{source.name}.files"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
