"""Shards of a remote pack in a folder of bounded size, which all processes of a node share."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siammae.data.packing.layout import shard_name, shards
from siammae.data.packing.remote import fetch

FRESH = 5.0  # seconds in which a use is not noted again


class ShardCache:
    """Fetches whole shards; those that were not used for longest make room.

    A process that still reads a removed shard keeps it open and is not disturbed.

    Args:
        url: of the pack.
        folder: of the cache.
        room: in bytes.
    """

    def __init__(self, url: str, folder: Path, room: float):
        self.url, self.folder, self.room = url.rstrip("/"), folder, room
        self._noted: dict[int, float] = {}

    def get(self, shard: int, size: int) -> None:
        """Make a shard be there.

        Raises:
            DataError: when it cannot be fetched.
        """
        if not self.use(shard):
            with self._lock(shard, wait=True):
                self._fetch(shard, size)

    def get_ahead(self, shard: int, size: int) -> bool:
        """The same unless another process is about it; returns whether it is there."""
        if self.use(shard):
            return True
        with self._lock(shard, wait=False) as held:
            if held:
                self._fetch(shard, size)
            return held

    def use(self, shard: int) -> bool:
        """Note that a shard is in use; False when it is not there."""
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

    @contextmanager
    def _lock(self, shard: int, wait: bool) -> Iterator[bool]:
        """Be the only process that fetches a shard."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{shard_name(shard)}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
