"""How a manifest calls a clip: by its path from the data set's root, wherever that lies."""

import os
from pathlib import Path


def base_of(root: str) -> Path:
    """The folder that names start from: the root, or the folder of a list file."""
    path = Path(root).expanduser().absolute()
    return path.parent if path.is_file() else path


def name_of(path: Path, base: Path) -> str:
    """With ``/``; bytes that are no UTF-8, which Parquet cannot hold, as ``\\xNN``."""
    relative = Path(os.path.relpath(path, base)).as_posix()
    return os.fsencode(relative).decode("utf-8", "backslashreplace")
