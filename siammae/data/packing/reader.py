"""The clips of a pack: a frame takes one positioned read and one decoding.

Decoding only the part of a frame that is cropped does not pay. Two thirds of the work are entropy
decoding, which a region needs from the first row on. Measured, it would gain 15% at the most.
"""

import os
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.data.packing.index import Index
from siammae.data.packing.layout import pread, shard_name
from siammae.data.packing.row import Row
from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import Clips, shuffled_turn
from siammae.system.errors import DataError

OPEN = 64  # shards that a process keeps open


class PackedClips(Clips):
    """The clips of a pack in a folder, visited in a new random order in every pass.

    With the same clips the order is that of `FileClips`.

    Args:
        folder: folder of the shards.
        index: index of the pack.
    """

    def __init__(self, folder: Path, index: Index):
        self.index, self.files = index, ShardFiles(folder)

    def __len__(self) -> int:
        return len(self.index)

    def name(self, clip: int) -> str:
        """Return the name of a clip in the source that was packed."""
        return self.index.name(clip)

    @override
    def open(self, clip: int) -> Clip:
        return PackedClip(self.files, self.index[clip])

    @override
    def turn(self, seed: int, visit: int) -> int:
        return shuffled_turn(seed, visit, len(self))


class PackedClip(Clip):
    """A packed clip; nothing is read before its frames are asked for."""

    def __init__(self, files: "ShardFiles", row: Row):
        self.files, self.row = files, row
        self.frames, self.fps, self.step = row.frames, row.fps, row.step

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Return frames at ascending ``indices``: (n, H, W, 3) uint8, RGB.

        Raises:
            DataError: when the shard is missing, cut short or damaged; it names shard and clip.
        """
        import simplejpeg

        row = self.row
        offsets = row.offsets()
        if min(row.height, row.width) < 1:
            raise DataError(
                f"{self.files.path(row.shard)}: the index says that frames of clip {row.name} have "
                f"{row.width}x{row.height} pixels; python -m siammae.pack --verify names the damage"
            )
        pixels = np.empty((0, row.height, row.width, 3), np.uint8)
        for place, index in enumerate(indices):
            size = int(row.sizes[index])
            jpeg = self.files.read(row.shard, int(offsets[index]), size, row.name)
            if zlib.crc32(jpeg) != row.sums[index]:
                raise DataError(
                    f"{self.files.path(row.shard)} is damaged: checksum of frame {index} of clip "
                    f"{row.name}"
                )
            try:
                if place == 0:  # a damaged index may name a size that no memory holds
                    self._check_size(*simplejpeg.decode_jpeg_header(jpeg)[:2])
                    pixels = np.empty((len(indices), row.height, row.width, 3), np.uint8)
                simplejpeg.decode_jpeg(jpeg, buffer=pixels[place])
            except ValueError as error:
                raise DataError(
                    f"{self.files.path(row.shard)}: frame {index} of clip {row.name} is no JPEG of "
                    f"{row.width}x{row.height}: {error}"
                ) from None
        return pixels

    def _check_size(self, height: int, width: int) -> None:
        if (height, width) != (self.row.height, self.row.width):
            raise ValueError(f"it is {width}x{height}")


class ShardFiles:
    """The files of shards, opened at their first use in a process.

    limit: number of files that are kept open; those not used for longest are closed. None: `OPEN`.
    """

    def __init__(self, folder: Path, limit: int | None = None):
        self.folder, self.limit = folder, limit or OPEN
        self._open: OrderedDict[int, int] = OrderedDict()
        self._process = os.getpid()

    def path(self, shard: int) -> Path:
        """Return the path of a shard."""
        return self.folder / shard_name(shard)

    def read(self, shard: int, offset: int, size: int, clip: str) -> bytes:
        """Read ``size`` bytes of a shard.

        Raises:
            DataError: when it does not have them; it names the clip that they belong to.
        """
        try:
            data = pread(self._descriptor(shard), size, offset)
        except OSError as error:
            raise DataError(
                f"{self.path(shard)} cannot be read for clip {clip}: {error.strerror}"
            ) from None
        if len(data) < size:
            raise DataError(f"{self.path(shard)} is cut short: it ends within clip {clip}")
        return data

    def _descriptor(self, shard: int) -> int:
        if os.getpid() != self._process:  # a fork: the descriptors are the other's
            self._open, self._process = OrderedDict(), os.getpid()
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        if len(self._open) >= self.limit:
            os.close(self._open.popitem(last=False)[1])
        self._open[shard] = os.open(self.path(shard), os.O_RDONLY)
        return self._open[shard]

    def holds(self, shard: int) -> bool:
        """Return whether this process has a shard open."""
        return os.getpid() == self._process and shard in self._open

    def hold(self, shard: int) -> bool:
        """Open a shard; return False when it is not there."""
        try:
            self._descriptor(shard)
        except FileNotFoundError:
            return False
        except OSError:  # `read` reports it
            pass
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __del__(self) -> None:
        if os.getpid() == self._process:
            for file in self._open.values():
                os.close(file)
