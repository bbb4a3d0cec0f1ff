"""The index again, from the shards alone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.config.errors import DataError
from siammae.data.packing.files import INDEX, MEMBER, pread, shards
from siammae.data.packing.index import Index, make_table, write
from siammae.data.packing.row import Row, read_description
from siammae.data.packing.tar import BLOCK, Member, members

if TYPE_CHECKING:
    import pyarrow as pa

Warn = Callable[[str], None]


def open_index(folder: Path, warn: Warn) -> Index:
    """The index of a pack; made again, with a word about it, when it is missing or damaged.

    Raises:
        DataError: when the folder holds no pack.
    """
    if not folder.is_dir():
        raise DataError(f"data.root={folder}: no such folder")
    try:
        return Index.load(folder / INDEX)
    except DataError as error:
        why = "is missing" if not (folder / INDEX).exists() else f"is damaged ({error})"
    found = shards(folder)
    if not found:
        raise DataError(
            f"data.root={folder} holds no pack (no {INDEX} and no shard-000000.tar); "
            "python -m siammae.pack makes one"
        )
    warn(f"{folder / INDEX} {why}: made again from {len(found)} shards")
    table = table_of_shards(found, warn)
    if not len(table):
        raise DataError(f"data.root={folder}: no clip is whole in its {len(found)} shards")
    try:
        write(table, folder / INDEX)
    except OSError as error:
        warn(f"{folder / INDEX} cannot be written ({error.strerror}): kept in memory")
        return Index(table)
    return Index.load(folder / INDEX)


def table_of_shards(found: dict[int, Path], warn: Warn) -> "pa.Table":
    """The table of all clips that are whole in the shards.

    Args:
        found: paths by number.
        warn: told what is damaged.
    """
    rows: dict[int, Row] = {}
    for shard, path in found.items():
        for row in rows_of_shard(shard, path, warn):
            rows[row.number] = row
    return make_table(rows.values())


def rows_of_shard(shard: int, path: Path, warn: Warn) -> list[Row]:
    """The clips of a shard, by its headers and descriptions; frames are not read."""
    rows: list[Row] = []
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as error:
        warn(f"{path} cannot be opened: {error.strerror}")
        return rows
    try:
        size = os.fstat(file).st_size
        lost = 0
        start: dict[int, int] = {}
        for member in members(file, size):
            if isinstance(member, int):
                warn(f"{path} is damaged at byte {member}")
                continue
            row = _clip_of(file, shard, member, start, size)
            if isinstance(row, Row):
                start.pop(row.number, None)
                rows.append(row)
            elif row:
                lost += 1
    finally:
        os.close(file)
    if lost or start:
        names = ", ".join(f"{number:09d}" for number in start) or str(lost)
        warn(f"{path}: without a whole description, left out: clip {names}")
    return rows


def _clip_of(file: int, shard: int, member: Member, start: dict[int, int], size: int) -> Row | bool:
    """The row, when a member describes a clip; True when it does so wrongly."""
    match = MEMBER.fullmatch(member.name)
    if match is None:
        return False
    number = int(match[1])
    if match[2] is not None:
        start.setdefault(number, member.offset - BLOCK)
        return False
    if number not in start or member.offset + member.size > size:
        return True
    try:
        text = pread(file, member.size, member.offset)
        return read_description(number, shard, start[number], text)
    except (ValueError, KeyError, TypeError):
        return True
