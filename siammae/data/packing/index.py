"""The index of a pack: an Arrow file that readers map into memory, with a row for each clip.

Rows stand in the order of the source that was packed, wherever the shards hold the clips. A row has
the length and the CRC-32 of every frame; where a frame begins follows from that (`Row.offsets`).
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.data.packing.index_check import check_index
from siammae.data.packing.row import Row, shard_size
from siammae.system.atomic_files import replacing, sync
from siammae.system.checksum import checksum_of, write_checksum
from siammae.system.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"1"
LISTS = ("sizes", "crc32")
LABEL = "class"  # a column of packs of classes, from the version that kept them on


class Index:
    """The rows of a pack by position.

    Another process that it is sent to gets the path alone and maps the file, which was checked.

    Args:
        table: see `make_table`.
        path: the file that it was mapped from; None when it is in memory only.
    """

    def __init__(self, table: "pa.Table", path: Path | None = None):
        self.path = path
        self._take(table)

    def _take(self, table: "pa.Table") -> None:
        self.table = table
        self.fingerprint = table.schema.metadata[b"fingerprint"].decode()
        self._names = _only_chunk(table, "name")
        self._labels = _only_chunk(table, LABEL) if LABEL in table.column_names else None
        self._fps = _only_chunk(table, "fps").to_numpy(zero_copy_only=False)  # nan: none
        plain = ("number", "step", "height", "width", "shard", "start")
        self._plain = {key: _only_chunk(table, key).to_numpy() for key in plain}
        lists = [_only_chunk(table, key) for key in LISTS]
        self._begins = lists[0].offsets.to_numpy()
        self._sizes, self._sums = (column.values.to_numpy() for column in lists)

    @classmethod
    def load(cls, path: Path) -> "Index":
        """Map an index file into memory, when it is as it was written.

        Raises:
            DataError: when it is missing, damaged or of another kind.
        """
        try:
            check_index(path)
        except (OSError, DataError) as error:
            raise DataError(f"{path} cannot be read: {error}") from None
        return cls.mapped(path)

    @classmethod
    def mapped(cls, path: Path) -> "Index":
        """Map an index file that was checked into memory; a damaged one may end the process.

        Raises:
            DataError: when Arrow finds it cut short or of another kind.
        """
        import pyarrow as pa

        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            if (table.schema.metadata or {}).get(b"format") != FORMAT:
                raise DataError(f"{path} is no index of a pack that this version reads")
            return cls(table, path)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise DataError(f"{path} cannot be read: {error}") from None

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, clip: int) -> Row:
        """Return the row of a clip; its arrays are views of the file."""
        part = slice(self._begins[clip], self._begins[clip + 1])
        plain = {key: int(column[clip]) for key, column in self._plain.items()}
        sizes, sums = self._sizes[part], self._sums[part]
        fps = None if np.isnan(self._fps[clip]) else float(self._fps[clip])
        label = self.label(clip)
        return Row(name=self.name(clip), fps=fps, sizes=sizes, sums=sums, label=label, **plain)

    def name(self, clip: int) -> str:
        """Return the name of a clip."""
        return str(self._names[clip].as_py())

    def label(self, clip: int) -> str | None:
        """Return the name of a clip's class; None when it is not known."""
        return None if self._labels is None else self._labels[clip].as_py()

    @property
    def shard(self) -> np.ndarray:
        """(clips,) int32, the shard that holds each clip."""
        return self._plain["shard"]

    @property
    def start(self) -> np.ndarray:
        """(clips,) int64, where each clip begins in its shard."""
        return self._plain["start"]

    def shard_size(self, shard: int) -> int:
        """Return the bytes of a shard, by its last clip."""
        clips = np.flatnonzero(self.shard == shard)
        last = clips[np.argmax(self.start[clips])] if len(clips) else None
        return shard_size([] if last is None else [self[int(last)]])

    def frames(self) -> int:
        """Return the number of frames of all clips."""
        return len(self._sizes)

    def has_single_frames(self) -> bool:
        """Return whether some clip has one frame."""
        return bool((np.diff(self._begins) == 1).any())

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "table": self.table if self.path is None else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._take(state["table"] if self.path is None else Index.mapped(self.path).table)


def make_table(rows: Iterable[Row]) -> "pa.Table":
    """Make a table of rows, in the order of their numbers."""
    import pyarrow as pa

    rows = sorted(rows, key=lambda row: row.number)
    begins = np.concatenate([[0], np.cumsum([row.frames for row in rows], dtype=np.int64)])
    kinds = {
        "number": pa.int64(),
        "name": pa.string(),
        "fps": pa.float64(),
        "step": pa.int32(),
        "height": pa.int32(),
        "width": pa.int32(),
        "shard": pa.int32(),
        "start": pa.int64(),
    }
    columns = {
        key: pa.array([getattr(row, key) for row in rows], kind) for key, kind in kinds.items()
    }
    if any(row.label is not None for row in rows):
        columns[LABEL] = pa.array([row.label for row in rows], pa.string())
    for key, field in zip(LISTS, ("sizes", "sums"), strict=True):
        values = [np.zeros(0, np.uint32), *(getattr(row, field) for row in rows)]
        columns[key] = pa.LargeListArray.from_arrays(begins, pa.array(np.concatenate(values)))
    table = pa.table(columns).replace_schema_metadata({b"format": FORMAT})
    return _with_fingerprint(table)


def join(tables: list["pa.Table"]) -> "pa.Table":
    """Join tables, in the order of the clips' numbers."""
    import pyarrow as pa

    return _with_fingerprint(
        pa.concat_tables(tables, promote_options="default").sort_by("number").combine_chunks()
    )


def write(table: "pa.Table", path: Path) -> None:
    """Write a table, replacing the file whole, and its checksum beside it.

    Raises:
        OSError: when it cannot be written.
    """
    import pyarrow as pa

    with replacing(path) as partial, partial.open("wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        sync(file)
    write_checksum(path, checksum_of(path))


def _with_fingerprint(table: "pa.Table") -> "pa.Table":
    """Add a hash of the content."""
    metadata = {b"format": FORMAT, b"fingerprint": fingerprint_of(table).encode()}
    return table.replace_schema_metadata(metadata)


def fingerprint_of(table: "pa.Table") -> str:
    """Return a hash of the content, in which neither the folder nor the clip's shard counts."""
    digest = hashlib.sha256()
    plain = table.select(["name", "fps", "step", "height", "width"])
    for batch in plain.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            digest.update(repr(tuple(row.values())).encode())
    for key in LISTS:
        for chunk in table.column(key).chunks:
            digest.update(np.diff(chunk.offsets.to_numpy()))
            digest.update(chunk.flatten().to_numpy())
    return digest.hexdigest()[:10]


def _only_chunk(table: "pa.Table", key: str) -> Any:
    """Return a column as one array, without copying where it is one already."""
    column = table.column(key)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
