"""What the folder ``ROOT/.download`` keeps of a data set's download.

Published lists of archives lie there as they came, so that a check needs no network. Of each
archive that was unpacked there is a receipt ``ARCHIVE.files``: its URL, then the size and the path
of each of its files.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from siammae.data.downloading.catalog import DataSet, Parts, Source
from siammae.system.atomic_files import write_atomic
from siammae.system.errors import DataError
from siammae.system.file_tree import UNDER_WAY

# Called with an archive's name, what is done with it, bytes done, and bytes in all if known.
OnTransfer = Callable[[str, str, int, int | None], None]


def fetch_lists(dataset: DataSet, root: Path, on_transfer: OnTransfer) -> None:
    """Fetch the lists of archives that are not there yet.

    Raises:
        DataError: when one cannot be fetched, or lists no archives.
    """
    from siammae.data.downloading.fetch import Fetch

    for listed in dataset.parts:
        path = root / UNDER_WAY / listed.name

        Fetch(listed.url, path, on_bytes=partial(on_transfer, listed.name)).run()
        _archives(listed, path)


def sources_of(dataset: DataSet, root: Path) -> list[Source]:
    """Return a data set's files, and the archives of those lists that have been fetched."""
    found = list(dataset.files)
    for listed in dataset.parts:
        path = root / UNDER_WAY / listed.name
        if path.is_file():
            found += _archives(listed, path)
    return found


def _archives(listed: Parts, path: Path) -> list[Source]:
    """Return the archives of a list, one a line.

    Raises:
        DataError: when it lists something else.
    """
    shared = listed.model_dump(exclude={"url"})
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    try:
        sources = [Source(url=line, **shared) for line in lines if line]
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise DataError(
            _wrong(listed, path, f"lists something else than archives: {reason}")
        ) from None
    if not sources or len({source.name for source in sources}) != len(sources):
        raise DataError(_wrong(listed, path, "lists no archives, or one twice"))
    return sources


def _wrong(listed: Parts, path: Path, why: str) -> str:
    return f"{path}, fetched from {listed.url}, {why}; remove it to fetch it anew"


def write_receipt(source: Source, root: Path, sizes: Mapping[Path, int]) -> None:
    """Write down that an archive is unpacked, with the bytes of its files by their paths in it."""
    rows = [f"{size} {Path(source.extract_to, path).as_posix()}" for path, size in sizes.items()]
    write_atomic(_path(source, root), "\n".join([source.url, *rows]) + "\n")


def lost_files(source: Source, root: Path) -> list[str] | None:
    """Return which files of an archive are missing or have another size; None before unpacking."""
    path = _path(source, root)
    if not path.is_file():
        return None
    url, *lines = path.read_text().splitlines()
    if url != source.url:
        return None
    rows = [line.split(" ", 1) for line in lines]
    return [name for size, name in rows if _size(root / name) != int(size)]


def _path(source: Source, root: Path) -> Path:
    return root / UNDER_WAY / f"{source.name}.files"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
