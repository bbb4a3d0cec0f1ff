"""Data sets in many archives, which a published list names: ``ROOT/.download/LIST``."""

import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from siammae.data.downloading.catalog import DataSet, Parts, Source
from siammae.data.downloading.receipt import FOLDER
from siammae.system.errors import DataError

Told = Callable[[str, str, int, int | None], None]


def fetch_lists(dataset: DataSet, root: Path, told: Told) -> None:
    """Fetch the lists that are not there yet; they stay, so that a check needs no network.

    Raises:
        DataError: when one cannot be fetched, or lists no archives.
    """
    from siammae.data.downloading.fetch import Fetch

    for listed in dataset.parts:
        path = root / FOLDER / listed.name

        def tell(what: str, done: int, total: int | None, name: str = listed.name) -> None:
            told(name, what, done, total)

        Fetch(listed.url, path, told=tell, stop=threading.Event()).run()
        _archives(listed, path)


def sources_of(dataset: DataSet, root: Path) -> list[Source]:
    """Its files, and the archives of those lists that have been fetched."""
    found = list(dataset.files)
    for listed in dataset.parts:
        path = root / FOLDER / listed.name
        if path.is_file():
            found += _archives(listed, path)
    return found


def _archives(listed: Parts, path: Path) -> list[Source]:
    """One a line."""
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
