"""What an audit writes: the manifest, and a journal while the audit goes on.

The manifest is a Parquet file with a row for each clip, in the order of the data set's clips, and
the fields of `Facts` as columns. The journal holds the finished rows, one JSON object a line, so
that an audit that is ended loses only the files that it was reading.
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from errno import EACCES
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from siammae.data.manifests.facts import Facts
from siammae.system.atomic_files import append_line, read_lines, write_atomic
from siammae.system.claim import claimed
from siammae.system.errors import ConfigError, DataError

# pandas' types that know unknown values: with them a whole number does not become 3.0.
KINDS = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}


def check_writable(manifest: Path) -> None:
    """Make the manifest's folder and see whether it can be written, before any work.

    Raises:
        ConfigError: when the manifest cannot be written there.
    """
    folder = manifest.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise ConfigError(
            f"out={manifest} cannot be written ({error.strerror}); name another file with out=FILE"
        ) from None
    if manifest.is_dir():
        raise ConfigError(f"out={manifest} is a folder; name a file, such as out=audit.parquet")


def write_manifest(manifest: Path, rows: Iterable[Facts]) -> None:
    """Write all rows, replacing a manifest of before."""
    import pandas as pd

    records, buffer = [asdict(row) for row in rows], io.BytesIO()
    columns = {
        field.name: pd.array([record[field.name] for record in records], dtype=_kind(field.type))
        for field in fields(Facts)
    }
    pd.DataFrame(columns).to_parquet(
        buffer, engine="pyarrow", index=False, write_page_checksum=True
    )
    write_atomic(manifest, buffer.getvalue())


def read_columns(manifest: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    """Return columns of a manifest by name; unknown values are None.

    Raises:
        DataError: when there is no such file, or it is not a manifest.
    """
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    wanted = list(names)
    try:
        # Not given as a path, which pyarrow may take for an address or a folder of parts.
        with manifest.open("rb") as file:
            table = parquet.read_table(file, page_checksum_verification=True)
        for name in wanted:
            if name not in table.column_names:
                raise DataError(f"{manifest} is no manifest: it has no column {name!r}")
        return {name: table.column(name).to_pylist() for name in wanted}
    except FileNotFoundError:
        raise DataError(f"{manifest}: no such manifest") from None
    except (OSError, ArrowException, UnicodeError) as error:
        raise DataError(f"{manifest} is no manifest: {str(error).splitlines()[0]}") from None


def read_manifest(manifest: Path) -> list[Facts]:
    """Return all rows; raises as `read_columns`."""
    columns = read_columns(manifest, [field.name for field in fields(Facts)])
    return [
        Facts(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def _kind(annotated: Any) -> Any:
    plain = set(get_args(annotated)) - {NoneType} or {annotated}
    return KINDS[plain.pop()]


class Journal:
    """The rows of an audit that is under way, in a hidden file beside the manifest.

    Args:
        manifest: path of the manifest that the rows will be in.
    """

    def __init__(self, manifest: Path):
        self.manifest = manifest
        self.path = manifest.with_name(f".{manifest.name}.journal")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other audits from this manifest; remove the journal when the block ends well.

        Raises:
            ConfigError: when another audit writes this manifest.
        """
        refusal = ConfigError(f"out={self.manifest} is being written by another audit; wait for it")
        with claimed(self.manifest.with_name(f".{self.manifest.name}.lock"), refusal):
            yield
            self.path.unlink(missing_ok=True)

    def add(self, facts: Facts) -> None:
        """Append a finished row."""
        append_line(self.path, asdict(facts))

    def rows(self) -> list[Facts]:
        """Return the rows of an earlier audit that was ended, if they have today's columns."""
        names = {field.name for field in fields(Facts)}
        return [Facts(**row) for row in read_lines(self.path) if set(row) == names]
