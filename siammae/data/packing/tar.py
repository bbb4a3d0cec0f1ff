"""Members of a tar file, made and found without holding more than a header.

Headers are plain USTAR and the same for the same name and size, so that every byte of a shard but
the members' own is known.
"""

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from siammae.data.packing.layout import pread

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)  # two empty blocks close an archive


class Member(NamedTuple):
    """A file in an archive.

    offset: of its first byte, after the header. size: in bytes.
    """

    name: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """The block before a member of ``size`` bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """Zeros that fill up the last block of ``size`` bytes."""
    return bytes(-size % BLOCK)


def members(file: int, size: int) -> Iterator[Member | int]:
    """Walk through an archive of ``size`` bytes.

    Args:
        file: its descriptor.

    Yields:
        Members in order; where a header is damaged, its offset, and then the next members that
        can be found.
    """
    place, damaged = 0, False
    while place + BLOCK <= size:
        block = pread(file, BLOCK, place)
        member = _parse(block, place)
        if member is None:
            if not any(block) and not damaged:
                return
            if not damaged:
                yield place
            damaged, place = True, place + BLOCK
            continue
        yield member
        damaged, place = False, place + BLOCK + member.size + len(padding(member.size))


def _parse(block: bytes, place: int) -> Member | None:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError):
        return None
    return Member(info.name, place + BLOCK, info.size)
