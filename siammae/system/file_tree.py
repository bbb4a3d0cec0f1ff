"""Lists of the files of a folder tree, with few accesses to the disk."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from siammae.system.errors import DataError

EXTENSIONS = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".3gp",
        ".avi",
        ".mkv",
        ".webm",
        ".mpg",
        ".mpeg",
        ".vob",
        ".ts",
        ".m2ts",
        ".flv",
        ".wmv",
        ".ogv",
        ".gif",
    ]
)
KNOWN = " ".join(sorted(EXTENSIONS))
UNDER_WAY = ".download"  # folder in which the download command keeps what is not complete


def is_video(name: str) -> bool:
    """Return whether a name has the ending of a video."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


def walk(root: Path) -> list[str]:
    """Return the relative paths of all files below a folder, sorted, with slashes.

    Links are followed, except to a folder that they lie in. Files that macOS adds (``._x.mp4``) and
    downloads under way are left out.

    Raises:
        DataError: when a folder cannot be read.
    """
    return sorted(_walk(str(root), "", ()))


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    try:
        status = os.stat(folder)  # noqa: PTH116
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(folder) as listed:
            entries = [entry for entry in listed if not entry.name.startswith("._")]
    except OSError as error:
        raise unreadable(Path(folder), error) from None
    for entry in entries:
        # A link with a video's ending is not looked at: class folders may hold 240,000 of them.
        if (entry.is_symlink() and is_video(entry.name)) or not entry.is_dir():
            yield prefix + entry.name
        elif entry.name != UNDER_WAY:
            yield from _walk(entry.path, f"{prefix}{entry.name}/", (*above, here))


class Folders:
    """Knows which files are there from one reading of each folder, not one access a file."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Return whether there is such a file, or link."""
        folder, name = os.path.split(path)
        if folder not in self._names:
            self._names[folder] = frozenset(_names(folder))
        return name in self._names[folder]


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder or ".") as entries:
            return [
                entry.name
                for entry in entries
                if (entry.is_symlink() and is_video(entry.name)) or not entry.is_dir()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(Path(folder), error) from None


def kind_of(path: Path) -> str:
    """Return ``folder``, ``file``, or an empty text when there is nothing.

    Raises:
        DataError: when the folders above it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise unreadable(path, error) from None
    return "folder" if stat.S_ISDIR(mode) else "file"


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for a file or folder that cannot be read, with what the user can do."""
    why = (error.strerror or str(error)).lower()
    hint = "; its owner can give the right to read it" if isinstance(error, PermissionError) else ""
    return DataError(f"{path} cannot be read: {why}{hint}")
