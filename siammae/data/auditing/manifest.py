"""The manifest: a Parquet file with a row a clip, in the order of the data set's clips.

`Facts` says its columns.
"""

import io
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from errno import EACCES
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from siammae.data.auditing.facts import Facts
from siammae.system.atomic_files import write_atomic
from siammae.system.errors import ConfigError, DataError

# pandas' kinds that know unknown values: a whole number does not become 3.0.
KINDS = {int: "Int64", float: "Float64", bool: "boolean", str: "string"}


def check_writable(manifest: Path) -> None:
    """Make the folder, before any work.

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
    """Replace the manifest whole."""
    import pandas as pd

    records, buffer = [asdict(row) for row in rows], io.BytesIO()
    columns = {
        field.name: pd.array([record[field.name] for record in records], dtype=_kind(field.type))
        for field in fields(Facts)
    }
    pd.DataFrame(columns).to_parquet(buffer, engine="pyarrow", index=False)
    write_atomic(manifest, buffer.getvalue())


def read_columns(manifest: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    """Columns by name; unknown values are None.

    Raises:
        DataError: when there is no such file, or it is no manifest.
    """
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    wanted = list(names)
    try:
        # Not given as a path, which pyarrow may take for an address or a folder of parts.
        with manifest.open("rb") as file:
            table = parquet.read_table(file)
    except FileNotFoundError:
        raise DataError(f"{manifest}: no such manifest") from None
    except (OSError, ArrowException) as error:
        raise DataError(f"{manifest} is no manifest: {str(error).splitlines()[0]}") from None
    for name in wanted:
        if name not in table.column_names:
            raise DataError(f"{manifest} is no manifest: it has no column {name!r}")
    return {name: table.column(name).to_pylist() for name in wanted}


def read_manifest(manifest: Path) -> list[Facts]:
    """All rows; see `read_columns`."""
    columns = read_columns(manifest, [field.name for field in fields(Facts)])
    return [
        Facts(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def _kind(annotated: Any) -> Any:
    plain = set(get_args(annotated)) - {NoneType} or {annotated}
    return KINDS[plain.pop()]
