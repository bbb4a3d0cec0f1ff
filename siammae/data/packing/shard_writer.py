"""Writing a shard clip by clip: whole clips only, whatever goes wrong with one of them.

What is done here happens in child processes, one task at a time; see `crew`.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from siammae.data.packing.layout import frame_name, json_name, short_name
from siammae.data.packing.row import Row
from siammae.data.packing.tar import END, header, padding
from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import Clips
from siammae.system.errors import DataError
from siammae.system.foreign_text import as_utf8

LEAST = 2  # frames of a pair; single images are clips of one


@dataclass(frozen=True)
class How:
    """How clips are packed.

    folders: what is left out of their names, see `common_folders`.
    stride: every how many frames one is packed.
    quality: JPEG quality, 1 to 100.
    classes: of each clip of the source, by its number; None where it has none.
    """

    folders: dict[str, str]
    stride: int
    quality: int
    classes: Sequence[str | None]


@dataclass(frozen=True)
class Task:
    """Append a clip to a shard, or end the shard.

    path: file of the shard, under a temporary name. shard: its number.
    begin: bytes of the file that are kept, the end of its last whole clip.
    clip: number of the clip; None ends the shard.
    """

    path: Path
    shard: int
    begin: int
    clip: int | None


@dataclass(frozen=True)
class Broken:
    """An answer to a task: the clip cannot be read."""

    reason: str


@dataclass(frozen=True)
class Closed:
    """An answer to a task: the shard is on the disk."""


@dataclass(frozen=True)
class Failed:
    """An answer to any task: the shard cannot be written."""

    reason: str


Answer = Row | Broken | Closed | Failed


class WriteFailed(Exception):
    """The shard cannot be written, and no clip is the cause."""


def do_task(clips: Clips, how: How, task: Task) -> Iterator[Answer | None]:
    """Do a task; yields None after each frame as a sign of life, then the answer."""
    import cv2

    cv2.setNumThreads(1)
    try:
        with _opened(task) as file:
            if task.clip is None:
                with _writing():
                    file.write(END)
                    file.flush()
                    os.fsync(file.fileno())
                yield Closed()
            else:
                yield from _append(file, clips, how, task, task.clip)
    except WriteFailed as error:
        yield Failed(str(error))
    except DataError as error:
        yield Broken(str(error))


@contextmanager
def _opened(task: Task) -> Iterator[IO[bytes]]:
    """Open a shard's file, without what lies behind its last whole clip."""
    with _writing():
        file = task.path.open("r+b" if task.begin else "wb")
        file.truncate(task.begin)
        file.seek(task.begin)
    try:
        yield file
        with _writing():
            file.close()
    finally:
        with suppress(OSError):  # tries once more to write what is held back
            file.close()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteFailed(error.strerror or str(error)) from None


def _append(
    file: IO[bytes], clips: Clips, how: How, task: Task, number: int
) -> Iterator[Row | None]:
    """Append a clip frame by frame; yields None after each, then the clip's row.

    Raises:
        DataError: when the clip cannot be read.
        WriteFailed: when the file cannot be written.
    """
    try:
        clip, name = clips.open(number), clips.name(number)
        row, sizes, sums = None, [], []
        wanted = _wanted(clip, name, how.stride)
        for frame, frame_number in zip(clip.in_order(wanted), wanted, strict=True):
            row = row or _empty_row(task, number, short_name(name, how.folders), clip, how, frame)
            if frame.shape[:2] != (row.height, row.width):
                raise DataError(f"{name} changes its size at frame {frame_number}")
            jpeg = encode(frame, how.quality)
            _write(file, frame_name(number, frame_number * clip.step), jpeg)
            sizes.append(len(jpeg))
            sums.append(zlib.crc32(jpeg))
            yield None
    except (DataError, WriteFailed):
        raise
    except Exception as error:  # decoders raise kinds of their own
        raise DataError(f"{clips.name(number)}: {type(error).__name__}: {error}") from None
    assert row is not None
    row.sizes, row.sums = np.array(sizes, np.uint32), np.array(sums, np.uint32)
    _write(file, json_name(number), row.description())
    with _writing():
        file.flush()
    yield row


def _wanted(clip: Clip, name: str, stride: int) -> range:
    """Return the numbers of the frames to pack."""
    wanted = range(0, clip.frames, stride)
    if len(wanted) < min(LEAST, clip.frames):
        raise DataError(
            f"{name} has {clip.frames} frames, of which stride={stride} leaves {len(wanted)}; a "
            f"pair needs {LEAST}"
        )
    return wanted


def _empty_row(task: Task, number: int, name: str, clip: Clip, how: How, frame: np.ndarray) -> Row:
    """Return the row of a clip whose frames are still to come."""
    height, width = frame.shape[:2]
    none = np.zeros(0, np.uint32)
    label = how.classes[number]
    return Row(
        number=number,
        name=as_utf8(name),
        fps=clip.fps,
        step=clip.step * how.stride,
        height=height,
        width=width,
        shard=task.shard,
        start=task.begin,
        sizes=none,
        sums=none,
        label=None if label is None else as_utf8(label),
    )


def _write(file: IO[bytes], name: str, content: bytes) -> None:
    """Write a member of the archive."""
    with _writing():
        file.write(header(name, len(content)) + content + padding(len(content)))


def encode(frame: np.ndarray, quality: int) -> bytes:
    """Encode RGB pixels (H, W, 3) as a JPEG whose colours have half the resolution."""
    import simplejpeg

    pixels = np.ascontiguousarray(frame)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420"))
