"""Files of a folder tree, whatever their names, with few questions to the disk."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from siammae.system.errors import DataError

EXTENSIONS = frozenset(
    {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".flv"}
)
KNOWN = " ".join(sorted(EXTENSIONS))
UNDER_WAY = ".download"  # where the download command keeps what is not whole yet


def is_video(name: str) -> bool:
    """By the ending."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


def walk(root: Path) -> list[str]:
    """Relative paths of all files below a folder, sorted, with slashes.

    Links are followed, unless to a folder that they lie in. Files that macOS adds (``._x.mp4``) and
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
    """Whether files are there, by reading each folder once instead of asking for each file."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        """Whether there is such a file, or link, in its folder."""
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
    """``folder``, ``file``, or an empty text when there is nothing.

    Raises:
        DataError: when the folders above it do not let one see.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise unreadable(path, error) from None
    return "folder" if stat.S_ISDIR(mode) else "file"


def unreadable(path: Path, error: OSError) -> DataError:
    """What to tell of a file or folder that cannot be read."""
    why = (error.strerror or str(error)).lower()
    hint = "; its owner can give the right to read it" if isinstance(error, PermissionError) else ""
    return DataError(f"{path} cannot be read: {why}{hint}")
