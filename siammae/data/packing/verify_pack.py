"""Comparing every byte of a pack with what was written, by checksums and known headers."""

import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from siammae.data.packing.index import Index
from siammae.data.packing.layout import pread, shard_name, shards
from siammae.data.packing.pack_plan import read_plan
from siammae.data.packing.rebuild import Print, open_index
from siammae.data.packing.row import Row, shard_size
from siammae.data.packing.tar import BLOCK, END, Member, header, padding

CUT = "cut off, and all that follows"
OnProgress = Callable[[int, int, int], None]  # clips done, clips in all, bytes done


def verify_pack(folder: Path, threads: int, note: Print, on_progress: OnProgress) -> list[str]:
    """Return a line for each damaged member; nothing is changed, but a missing index is made.

    Args:
        folder: folder of the pack.
        threads: number of threads, each of which reads a shard.
        note: called with a line when the whole pack is sound, or the index is made.
        on_progress: called with clips done, clips in all, and bytes read.

    Raises:
        DataError: when there is no pack, or it is not complete.
    """
    lines: list[str] = []
    index = open_index(folder, note, lines.append)
    found = shards(folder)
    plan = read_plan(folder)
    wanted = set(np.unique(index.shard).tolist()) | set(found)
    wanted |= set(range(plan.shards)) if plan is not None else set()
    done = size = 0
    with ThreadPoolExecutor(threads) as pool:
        order = sorted(wanted)
        checks = pool.map(lambda shard: _check(folder, _rows(index, shard), shard), order)
        for shard, bad in zip(order, checks, strict=True):
            lines += [f"{shard_name(shard)}: {line}" for line in bad]
            done += int((index.shard == shard).sum())
            size += found[shard].stat().st_size if shard in found else 0
            on_progress(done, len(index), size)
    if not lines:
        note(f"{folder}: {len(found)} shards with {len(index)} clips are as they were written")
    return lines


def wrong_sizes(folder: Path, index: Index) -> list[Path]:
    """Return the shards that are not as long as the index says."""
    return [
        path
        for shard, path in shards(folder).items()
        if path.stat().st_size != index.shard_size(shard)
    ]


def _rows(index: Index, shard: int) -> list[Row]:
    """Return the clips of a shard in the order in which they lie in it."""
    clips = np.flatnonzero(index.shard == shard)
    return [index[int(clip)] for clip in clips[np.argsort(index.start[clips])]]


def _check(folder: Path, rows: list[Row], shard: int) -> list[str]:
    """Return a line for each damage of a shard."""
    try:
        file = os.open(folder / shard_name(shard), os.O_RDONLY)
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    try:
        return list(_damage(file, rows))
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    finally:
        os.close(file)


def _damage(file: int, rows: list[Row]) -> Iterator[str]:
    size, wanted = os.fstat(file).st_size, shard_size(rows)
    if size < wanted:
        yield f"is cut short, {size} bytes of {wanted}"
    elif size > wanted:
        yield f"is too long, {size} bytes of {wanted}"
    place = 0
    for row in rows:
        if row.start != place:
            yield f"bytes {place} to {row.start} belong to no clip"
        for member, crc in row.members():
            what = _wrong(file, member, crc)
            if what:
                yield f"{member.name} of clip {row.name}: {what}"
            if what == CUT:
                return
        place = row.end()
    if size >= wanted and pread(file, len(END), place) != END:
        yield "its end is damaged"


def _wrong(file: int, member: Member, crc: int) -> str:
    """Return what is wrong with a member; an empty text when nothing is."""
    before = header(member.name, member.size)
    after = padding(member.size)
    data = pread(file, BLOCK + member.size + len(after), member.offset - BLOCK)
    if len(data) < BLOCK + member.size + len(after):
        return CUT
    if zlib.crc32(memoryview(data)[BLOCK : BLOCK + member.size]) != crc:
        return "its checksum differs"
    if data[:BLOCK] != before or data[BLOCK + member.size :] != after:
        return "the archive is damaged around it"
    return ""
