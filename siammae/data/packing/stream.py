"""Reading a pack shard by shard, from a disk or from elsewhere."""

import os
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from siammae.data.packing.index import Index
from siammae.data.packing.order import WindowedOrder
from siammae.data.packing.reader import PackedClips, ShardFiles
from siammae.data.packing.remote import ShardCache
from siammae.data.reading.clip import Clip
from siammae.system.errors import DataError

ATTEMPTS = 10  # of fetching a shard that others remove before it is opened


class StreamedClips(PackedClips):
    """Clips in the order of `WindowedOrder`, whose next shards are fetched in time.

    Args:
        folder: folder of the shards, or of the cache.
        index: index of the pack.
        order: order of the visits.
        cache: fetches shards; None when they are all in ``folder``. The operating system then
            learns in time which are read next.
    """

    def __init__(
        self, folder: Path, index: Index, order: WindowedOrder, cache: ShardCache | None = None
    ):
        super().__init__(folder, index)
        self.order, self.cache = order, cache
        if cache is not None:  # removed shards take up room as long as they are open
            self.files = ShardFiles(folder, order.window * order.lanes)
        self._ahead: _Ahead | None = None

    def turn(self, seed: int, visit: int) -> int:
        """Return the clip of a visit, which the reader opens next; so its shards are fetched."""
        if self._ahead is None:
            self._ahead = _Ahead(self)
        self._ahead.follow(seed, visit)
        return self.order.turn(seed, visit)

    def open(self, clip: int) -> Clip:
        """Open a clip; waits for the shard when it is not here yet."""
        if self.cache is not None:
            self._fetch(self.cache, int(self.index.shard[clip]))
        return super().open(clip)

    def _fetch(self, cache: ShardCache, shard: int) -> None:
        for _ in range(ATTEMPTS):
            if not cache.use(shard) and not self.files.holds(shard):
                cache.get(shard, self.size(shard))
            if self.files.hold(shard):
                return
        raise DataError(
            f"{self.files.path(shard)} is removed as often as it is fetched: data.cache_gb is too "
            "small for the processes that use it"
        )

    def size(self, shard: int) -> int:
        """Return the bytes of a shard."""
        return self.index.shard_size(shard)

    def room(self) -> int:
        """Return the bytes of two windows for each lane, or of all shards where that is less."""
        sizes = sorted(self.size(int(shard)) for shard in np.unique(self.index.shard))
        return sum(sizes[-2 * self.order.window * self.order.lanes :])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_ahead": None}


class _Ahead:
    """A thread of a reader that fetches the shards of the present window and of the next one."""

    def __init__(self, clips: StreamedClips):
        self.clips = clips
        self._now: tuple[list[int], list[int]] | None = None
        self._wanted: SimpleQueue[list[int]] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def follow(self, seed: int, visit: int) -> None:
        """Note that the reader has come to a visit."""
        windows = self.clips.order.shards(seed, visit)
        if windows != self._now:
            self._now = windows
            self._wanted.put([*windows[0], *windows[1]])

    def _run(self) -> None:
        todo: list[int] = []
        while True:
            try:
                todo = self._wanted.get(block=not todo)  # of a later visit: it counts from now on
            except Empty:
                self._get(todo.pop(0))

    def _get(self, shard: int) -> None:
        cache = self.clips.cache
        try:
            if cache is None:
                _announce(self.clips.files, shard)
            else:
                cache.get_ahead(shard, self.clips.size(shard))
        except DataError:  # the reader that needs it reports it
            pass


def _announce(files: ShardFiles, shard: int) -> None:
    """Have the operating system read a shard into its memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    try:
        file = os.open(files.path(shard), os.O_RDONLY)
    except OSError:  # the reader that needs it reports it
        return
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
    os.close(file)
