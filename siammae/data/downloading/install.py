"""The archives of a data set are fetched side by side and unpacked where they belong.

``ROOT/.download`` holds what is under way, and a receipt of each archive that is done. All of it is
found again after an interruption, whatever caused it.
"""

import filecmp
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from siammae.data.downloading.catalog import Source
from siammae.data.downloading.complete import shorten
from siammae.data.downloading.download_folder import OnTransfer, lost_files, write_receipt
from siammae.data.downloading.fetch import Fetch, Stopped, set_aside
from siammae.data.downloading.rar import programs, unpack_rar
from siammae.data.downloading.unpack import BadArchive, check_room, unpack
from siammae.system.claim import claimed
from siammae.system.errors import DataError
from siammae.system.file_tree import UNDER_WAY

THREADS = 3
PLACING = threading.Lock()  # parts of one set go into one folder: one moves at a time


def install(sources: list[Source], root: Path, on_transfer: OnTransfer) -> None:
    """Fetch and unpack what is not there yet.

    Args:
        sources: the archives.
        root: folder of the data set; it is made when it is not there.
        on_transfer: called with an archive, what is done with it, bytes done and bytes in all, from
            several threads.

    Raises:
        DataError: with a line for each archive that failed; the others are installed.
        KeyboardInterrupt: what came so far is kept.
    """
    stop = threading.Event()
    try:
        (root / UNDER_WAY).mkdir(parents=True, exist_ok=True)
        refusal = DataError(f"{root}: another process downloads into it")
        with claimed(root / UNDER_WAY / "lock", refusal):
            todo = [source for source in sources if lost_files(source, root) != []]
            errors = _side_by_side(
                todo, lambda source: _Archive(source, root, on_transfer, stop).run(), stop
            )
    except OSError as error:
        raise DataError(f"root={root} cannot be written: {error.strerror}") from None
    if errors:
        raise DataError("\n       ".join(map(str, errors)))


class _Archive:
    """One archive that is being installed."""

    def __init__(self, source: Source, root: Path, on_transfer: OnTransfer, stop: threading.Event):
        self.source, self.root, self.stop = source, root, stop
        self.archive = root / UNDER_WAY / source.name
        self._on_transfer = on_transfer

    def report(self, what: str, done: int, total: int | None) -> None:
        self._on_transfer(self.source.name, what, done, total)
        if self.stop.is_set():
            raise Stopped

    def run(self) -> None:
        """Fetch the archive, unpack it beside, move the files into place, write the receipt."""
        source = self.source
        if source.name.endswith(".rar"):
            programs()  # raises before gigabytes are fetched
        Fetch(source.url, self.archive, source.size, source.checksum, self.report, self.stop).run()
        folder = self.archive.with_name(source.name + ".unpacked")
        try:
            self.unpack(folder)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            sizes = {path.relative_to(folder): path.stat().st_size for path in files}
            target = self.root / source.extract_to
            with PLACING:
                _refuse_conflicts(folder, target, list(sizes))
                _move(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        write_receipt(source, self.root, sizes)
        length = self.archive.stat().st_size
        self.archive.unlink()
        self.report("done", length, length)

    def unpack(self, folder: Path) -> None:
        """Unpack into a folder of its own; an archive that cannot be used is set aside."""
        source, unpacking = self.source, partial(self.report, "unpacking")
        try:
            if source.plain:
                folder.mkdir(exist_ok=True)
                shutil.copyfile(self.archive, folder / source.name.removeprefix(source.prefix))
            elif source.name.endswith(".rar"):
                unpack_rar(self.archive, folder, source.strip, source.nested, unpacking)
            else:
                check_room(self.archive, self.archive.parent, partial(self.report, "measuring"))
                unpack(self.archive, folder, source.strip, unpacking)
        except BadArchive as error:
            bad = set_aside(self.archive, self.archive)
            raise DataError(f"{error}; kept as {bad}, fetched from {self.source.url}") from None


def _refuse_conflicts(folder: Path, target: Path, names: list[Path]) -> None:
    """Refuse to replace a file with other contents: it may be of another release, or the user's."""
    there = [name for name in names if (target / name).exists()]
    differ = [
        str(target / name)
        for name in there
        if not filecmp.cmp(folder / name, target / name, shallow=False)
    ]
    if differ:
        raise DataError(
            f"{len(differ)} files are there already and differ from the archive's; "
            f"remove them, or name another folder with root=DIR: {shorten(differ)}"
        )


def _move(source: Path, target: Path) -> None:
    """Move a tree into another one, as whole folders where they are new."""
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return
    for path in source.iterdir():
        _move(path, target / path.name)


def _side_by_side(
    sources: list[Source], work: Callable[[Source], None], stop: threading.Event
) -> list[DataError]:
    """Work on several archives at once; return what went wrong.

    The threads are daemons, unlike those of an executor. So after Ctrl-C the process ends at once,
    although a thread may be waiting for a server.
    """
    queue: SimpleQueue[Source] = SimpleQueue()
    for source in sources:
        queue.put(source)
    failed: list[Exception] = []

    def worker() -> None:
        while not (stop.is_set() or queue.empty()):
            try:
                work(queue.get(block=False))
            except Empty:
                return
            except Exception as error:  # raised by the main thread
                failed.append(error)

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    _wait(threads, stop)
    for error in failed:
        if not isinstance(error, DataError):
            raise error
    return [error for error in failed if isinstance(error, DataError)]


def _wait(threads: list[threading.Thread], stop: threading.Event) -> None:
    """Wait until all threads have ended; after Ctrl-C at most a second each."""
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join(timeout=1)
        raise
