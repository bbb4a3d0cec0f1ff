"""One shard as it grows: whole clips, whatever goes wrong with one of them."""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siammae.data.packing.layout import frame_name, json_name
from siammae.data.packing.packed_names import short_name
from siammae.data.packing.row import Row
from siammae.data.packing.tar import END, header, padding
from siammae.data.reading.clips import Clips
from siammae.data.reading.video import Clip, in_order
from siammae.system.errors import DataError

LEAST = 2  # frames of a pair
Told = Callable[[], None]


@dataclass(frozen=True)
class How:
    """How clips are packed.

    folders: are left out of their names, see `common_folders`. stride: each which frame is taken.
    quality: of JPEG, 1 to 100.
    """

    folders: dict[str, str]
    stride: int
    quality: int


class WriteFailed(Exception):
    """The shard cannot be written, of which no clip is the cause."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteFailed(error.strerror or str(error)) from None


class ShardWriter:
    """Appends clips to a shard's file.

    Args:
        path: of the file under its temporary name.
        shard: its number.
        begin: bytes that are kept of what is there already.
    """

    def __init__(self, path: Path, shard: int, begin: int = 0):
        self.shard, self.end = shard, begin
        with _writing():
            self.file = path.open("r+b" if begin else "wb")
            self.file.truncate(begin)
            self.file.seek(begin)

    def add(self, number: int, clips: Clips, how: How, told: Told) -> Row:
        """Append a clip, frame by frame; or nothing at all.

        Args:
            number: of the clip in ``clips``.
            clips: where it is found.
            how: it is packed.
            told: called from time to time.

        Raises:
            DataError: when the clip cannot be read.
            WriteFailed: when the file cannot be written.
        """
        try:
            row = self._append(number, clips, how, told)
        except WriteFailed:
            raise
        except Exception as error:  # decoders raise kinds of their own
            self._back()
            if isinstance(error, DataError):
                raise
            raise DataError(f"{clips.name(number)}: {type(error).__name__}: {error}") from None
        self.end = row.end()
        return row

    def _append(self, number: int, clips: Clips, how: How, told: Told) -> Row:
        clip, name = clips.open(number), clips.name(number)
        wanted = range(0, clip.frames, how.stride)
        if len(wanted) < LEAST:
            raise DataError(
                f"{name} has {clip.frames} frames, of which stride={how.stride} leaves "
                f"{len(wanted)}; a pair needs {LEAST}"
            )
        row, sizes, sums = None, [], []
        for place, frame in enumerate(in_order(clip, wanted)):
            if row is not None and frame.shape[:2] != (row.height, row.width):
                raise DataError(f"{name} changes its size at frame {wanted[place]}")
            row = row or self._row(number, short_name(name, how.folders), clip, how.stride, frame)
            jpeg = encode(frame, how.quality)
            self._write(frame_name(number, wanted[place] * clip.step), jpeg)
            sizes.append(len(jpeg))
            sums.append(zlib.crc32(jpeg))
            told()
        assert row is not None
        row.sizes, row.sums = np.array(sizes, np.uint32), np.array(sums, np.uint32)
        self._write(json_name(number), row.description())
        with _writing():
            self.file.flush()
        return row

    def _row(self, number: int, name: str, clip: Clip, stride: int, frame: np.ndarray) -> Row:
        height, width = frame.shape[:2]
        none = np.zeros(0, np.uint32)
        step = clip.step * stride
        return Row(number, name, clip.fps, step, height, width, self.shard, self.end, none, none)

    def close(self) -> None:
        """End the archive; it is on the disk afterwards.

        Raises:
            WriteFailed: when it is not.
        """
        with _writing():
            self.file.write(END)
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def _write(self, name: str, content: bytes) -> None:
        with _writing():
            self.file.write(header(name, len(content)) + content + padding(len(content)))

    def _back(self) -> None:
        """To the end of the last whole clip."""
        with _writing():
            self.file.seek(self.end)  # writes what is held back first
            self.file.truncate()


def encode(frame: np.ndarray, quality: int) -> bytes:
    """RGB pixels (H, W, 3) as JPEG with colours at half the resolution."""
    import simplejpeg

    pixels = np.ascontiguousarray(frame)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420"))
