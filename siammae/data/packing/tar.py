"""The members of a tar file, written and found without holding more than a header in memory.

Headers are plain USTAR and depend on name and size only, so that every byte of a shard apart from
its members is known.
"""

import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from siammae.data.packing.layout import pread

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)  # two empty blocks close an archive


class Member(NamedTuple):
    """A file in an archive.

    offset: place of its first byte, behind the header. size: its bytes.
    """

    name: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """Return the block before a member of ``size`` bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """Return the zeros that fill up the last block of ``size`` bytes."""
    return bytes(-size % BLOCK)


def members(file: int, size: int) -> Iterator[Member | int]:
    """Walk through an archive of ``size`` bytes.

    Args:
        file: its descriptor.
        size: its bytes.

    Yields:
        The members in order. Where a header is damaged its offset, then the next members that can
        be found.
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
