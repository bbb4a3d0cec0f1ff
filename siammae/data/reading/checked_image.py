"""Image files as they were written: a damaged one is named, and a PNG's checksums are compared.

Pillow skips the checksums of pixels and OpenCV those of everything, so that one wrong bit on a disk
would be scored as other labels, or trained on as other pixels.
"""

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.system.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIECE = 1 << 20  # bytes that are unpacked at a time; their checksum alone is of interest


@contextmanager
def opened(path: Path, is_png: bool = False) -> Iterator["Image"]:
    """Open an image with Pillow; use in ``with``, in which its pixels are read.

    Args:
        path: of the file.
        is_png: whether it must be a PNG; another form may have changed the values.

    Raises:
        DataError: when it cannot be read, is no image, or is a PNG whose checksums do not fit.
    """
    with decoding(path, read_checked(path, is_png)) as image:
        yield image


@contextmanager
def decoding(path: Path, data: bytes, forms: tuple[str, ...] | None = None) -> Iterator["Image"]:
    """Open the bytes of a file as an image, as `opened` does; a PNG's checksums are not compared.

    Args:
        path: of the file, for the error.
        data: its bytes.
        forms: Pillow's names of those that are tried; None: all that it knows.

    Raises:
        DataError: when it is no image, or its pixels cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    if forms is not None:
        Image.init()  # which Pillow puts off, and knows no WebP before
    try:
        with Image.open(io.BytesIO(data), formats=forms) as image:
            yield image
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path} cannot be read as an image: no known form") from None
    except Exception as error:  # Pillow raises half a dozen kinds for a damaged file
        raise DataError(f"{path} cannot be read as an image: {error}") from None


def read_checked(path: Path, is_png: bool = False) -> bytes:
    """Return a file's bytes; see `opened`.

    Raises:
        DataError: when it cannot be read, is no PNG though it must be, or is a PNG whose checksums
            do not fit.
    """
    data = read_bytes(path)
    if problem := problem_of_png(data):
        raise DataError(f"{path} cannot be read as an image: {problem}")
    if is_png and not data.startswith(SIGNATURE):
        raise DataError(f"{path} cannot be read as an image: it is no PNG, or damaged")
    return data


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        DataError: when it cannot be read, or is no file but a pipe, at which one would wait.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path} cannot be read as an image: it is no regular file")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read as an image: {error.strerror}") from None


def problem_of_png(data: bytes) -> str:
    """Say that a file is a damaged PNG, and how; empty for a whole one and for other forms."""
    problem = wrong_in_png(data) if data.startswith(SIGNATURE) else ""
    return f"it is damaged, {problem}" if problem else ""


def wrong_in_png(data: bytes) -> str:
    """Say what is wrong with a PNG's checksums: of its chunks (CRC-32), and of zlib in its pixels.

    Empty when all fit. What follows the last chunk is not looked at.
    """
    place, stream = len(SIGNATURE), zlib.decompressobj()
    while True:
        head = data[place : place + 8]
        if len(head) < 8:
            return "it is cut short"
        length, kind = struct.unpack(">I4s", head)
        end = place + 8 + length
        content, sum_of = data[place + 8 : end], data[end : end + 4]
        if len(sum_of) < 4:
            return "it is cut short"
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(sum_of):
            return f"the checksum of its part {kind.decode('ascii', 'replace')} does not fit"
        if kind == b"IEND":
            return "" if stream.eof else "its pixels are cut short"
        if kind == b"IDAT" and not _unpacks(stream, content):
            return "the checksum of its pixels does not fit"
        place = end + 4


def _unpacks(stream: "zlib._Decompress", packed: bytes) -> bool:
    """Unpack more of a stream, whose checksum zlib compares at its end; False when it fails."""
    try:
        while packed and not stream.eof:
            stream.decompress(packed, PIECE)
            packed = stream.unconsumed_tail
    except zlib.error:
        return False
    return True
