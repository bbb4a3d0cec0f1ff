"""A pack that lies elsewhere: its files are fetched over HTTP or from a store that fsspec knows.

Shards are kept in a folder of bounded size, which all processes of a machine share.
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.data.packing.layout import shard_name, shards
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from filelock import FileLock

ATTEMPTS = 5  # how often in a row a store may fail
PAUSE = 1.0  # seconds before the second attempt; doubled each time
CHUNK = 1 << 20
FRESH = 5.0  # seconds in which a use is not noted again
KNOWN = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(root: str) -> bool:
    """Return whether a root is a URL."""
    return "://" in root


def fetch(url: str, path: Path, size: int | None = None) -> None:
    """Fetch a file; one that came in part is completed.

    Args:
        url: the file's URL.
        path: where it is written; the folder is made.
        size: its size in bytes, when it is known.

    Raises:
        DataError: when it cannot be fetched; it names the URL.
    """
    if url.startswith(("http://", "https://")):
        from siammae.data.downloading.fetch import Fetch

        Fetch(url, path, size).run()
        return
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _copy(url, part, size)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def _copy(url: str, part: Path, size: int | None) -> None:
    """Try until the whole file is in ``part``."""
    failures = 0
    while True:
        before = _have(part)
        try:
            _receive(url, part)
        except FileNotFoundError:
            raise DataError(f"{url}: no such file") from None
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            needed = f"pip install {KNOWN[scheme]}" if scheme in KNOWN else str(error)
            raise DataError(f"{url}: {scheme}:// cannot be read here: {needed}") from None
        except Exception as error:  # each store has kinds of its own
            failures = failures + 1 if _have(part) <= before else 1
            if failures >= ATTEMPTS:
                reason = f"{type(error).__name__}: {error}"
                raise DataError(f"{url}: {reason}, {failures} times in a row") from None
            time.sleep(PAUSE * 2 ** (failures - 1))
            continue
        if size is not None and _have(part) != size:
            have = _have(part)
            part.unlink()
            raise DataError(f"{url}: it has {have} bytes, the index says {size}")
        return


def _receive(url: str, part: Path) -> None:
    """Append to ``part`` what it lacks."""
    import fsspec

    system, name = fsspec.core.url_to_fs(url)
    with system.open(name, "rb") as source, part.open("ab") as target:
        source.seek(_have(part))
        while chunk := source.read(CHUNK):
            target.write(chunk)


def _have(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


class ShardCache:
    """A folder of bounded size with fetched shards; those not used for longest are removed.

    A process that still reads a removed shard keeps it open and is not disturbed.

    Args:
        url: URL of the pack.
        folder: the folder.
        room: its size in bytes.
    """

    def __init__(self, url: str, folder: Path, room: float):
        self.url, self.folder, self.room = url.rstrip("/"), folder, room
        self._noted: dict[int, float] = {}

    def get(self, shard: int, size: int) -> None:
        """Fetch a shard if it is not there.

        Raises:
            DataError: when it cannot be fetched.
        """
        if not self.use(shard):
            with self._lock(shard):
                self._fetch(shard, size)

    def get_ahead(self, shard: int, size: int) -> bool:
        """Fetch a shard unless another process is doing so; return whether it is there."""
        if self.use(shard):
            return True
        from filelock import Timeout

        try:
            with self._lock(shard).acquire(timeout=0):
                self._fetch(shard, size)
        except Timeout:
            return False
        return True

    def use(self, shard: int) -> bool:
        """Note that a shard is in use; return False when it is not there."""
        now = time.monotonic()
        try:
            if now - self._noted.get(shard, -FRESH) >= FRESH:
                os.utime(self.folder / shard_name(shard))
                self._noted[shard] = now
            return True
        except FileNotFoundError:
            self._noted.pop(shard, None)
            return False

    def _fetch(self, shard: int, size: int) -> None:
        path = self.folder / shard_name(shard)
        if not path.is_file():  # another process may have fetched it before we had the lock
            self._make_room(size)
            fetch(f"{self.url}/{path.name}", path, size)
        self._noted.pop(shard, None)

    def _make_room(self, size: int) -> None:
        """Remove the shards that were not used for longest."""
        found = []
        for number, path in shards(self.folder).items():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((status.st_mtime, status.st_size, number, path))
        total = sum(entry[1] for entry in found) + size
        for _, length, number, path in sorted(found):
            if total <= self.room:
                break
            path.unlink(missing_ok=True)
            self._noted.pop(number, None)
            total -= length

    def _lock(self, shard: int) -> "FileLock":
        """Return the lock of a shard, which one process of the machine holds while it fetches."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f".{shard_name(shard)}.lock")
