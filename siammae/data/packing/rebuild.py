"""Making the index of a pack again, from the shards alone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from siammae.data.packing.index import Index, make_table, write
from siammae.data.packing.layout import INDEX, MEMBER, pread, shards
from siammae.data.packing.pack_plan import read_plan
from siammae.data.packing.row import Row, read_description
from siammae.data.packing.tar import BLOCK, Member, members
from siammae.system.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Print = Callable[[str], None]  # takes a line


def open_index(folder: Path, note: Print, warn: Print | None = None) -> Index:
    """Return the index of a pack, which is made again when it is missing or damaged.

    Args:
        folder: folder of the pack.
        note: called with a line when the index is made again.
        warn: called with a line for each damage of the shards then; None means ``note``.

    Raises:
        DataError: when the folder holds no pack.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        return Index.load(folder / INDEX)
    except DataError as error:
        why = "is missing" if not (folder / INDEX).exists() else f"is damaged ({error})"
    found = shards(folder)
    if not found:
        raise DataError(
            f"{folder} holds no pack (no {INDEX} and no shard-000000.tar); "
            "python -m siammae.pack makes one"
        )
    plan = read_plan(folder)
    if plan is not None and not plan.complete:
        raise DataError(
            f"{folder} is not packed to its end: {len(found)} of {plan.shards} shards are "
            "finished; give the command of siammae.pack again"
        )
    note(f"{folder / INDEX} {why}: made again from {len(found)} shards")
    table = table_of_shards(found, warn or note)
    if not len(table):
        raise DataError(f"{folder}: no clip is whole in its {len(found)} shards")
    try:
        write(table, folder / INDEX)
    except OSError as error:
        note(f"{folder / INDEX} cannot be written ({error.strerror}): kept in memory")
        return Index(table)
    return Index.load(folder / INDEX)


def table_of_shards(found: dict[int, Path], warn: Print) -> "pa.Table":
    """Return the table of all clips that are whole in the shards.

    Args:
        found: paths of the shards by number.
        warn: called with a line for each damage.
    """
    rows: dict[int, Row] = {}
    for shard, path in found.items():
        for row in rows_of_shard(shard, path, warn):
            rows[row.number] = row
    return make_table(rows.values())


def rows_of_shard(shard: int, path: Path, warn: Print) -> list[Row]:
    """Return the clips of a shard by its headers and descriptions; frames are not read."""
    rows: list[Row] = []
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as error:
        warn(f"{path} cannot be opened: {error.strerror}")
        return rows
    try:
        size = os.fstat(file).st_size
        seen: set[int] = set()
        for member in members(file, size):
            if isinstance(member, int):
                warn(f"{path} is damaged at byte {member}")
            elif match := MEMBER.fullmatch(member.name):
                seen.add(int(match[1]))
                if match[2] is None:
                    rows += _described(file, shard, int(match[1]), member)
    except OSError as error:
        warn(f"{path} cannot be read: {error.strerror}")
    finally:
        os.close(file)
    lost = sorted(seen - {row.number for row in rows})
    if lost:
        names = ", ".join(f"{number:09d}" for number in lost)
        warn(f"{path}: left out, for it has no whole description: clip {names}")
    return rows


def _described(file: int, shard: int, number: int, member: Member) -> list[Row]:
    """Return the clip that a member describes; nothing when the description is damaged."""
    try:
        text = pread(file, member.size, member.offset)
        return [read_description(number, shard, member.offset - BLOCK, text)]
    except (ValueError, KeyError, TypeError):
        return []
