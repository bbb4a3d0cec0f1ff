"""Lists of the files of a folder tree, with few accesses to the disk."""

import os
import stat
from collections.abc import Callable, Iterator
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
    found = _folders(str(root), "", (), is_video, lambda name: name == UNDER_WAY)
    return sorted(prefix + name for prefix, names in found for name in names)


def by_folder(root: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that holds wanted files, at a root and below, and their sorted names.

    A folder is its path below the root with a slash at its end; the root itself is empty. They come
    in the order of their names, level by level. Hidden ones are left out, and links are followed as
    `walk` does. No file is looked at.

    Args:
        root: of the tree.
        is_wanted: whether a file of this name is wanted.

    Raises:
        DataError: when a folder cannot be read.
    """
    for prefix, names in _folders(str(root), "", (), is_wanted, lambda name: name.startswith(".")):
        wanted = sorted(filter(is_wanted, names))
        if wanted:
            yield prefix, wanted


def _folders(
    folder: str,
    prefix: str,
    above: tuple[tuple[int, int], ...],
    is_file: Callable[[str], bool],
    is_left_out: Callable[[str], bool],
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder's relative path, as in `by_folder`, and the names of all its files."""
    names, inner = [], []
    try:
        status = os.stat(folder)  # noqa: PTH116
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("._"):
                    continue
                # A link with a file's ending is not looked at: folders may hold 240,000 of them.
                if (entry.is_symlink() and is_file(entry.name)) or not entry.is_dir():
                    names.append(entry.name)
                elif not is_left_out(entry.name):
                    inner.append(entry.name)
    except OSError as error:
        raise unreadable(Path(folder), error) from None
    yield prefix, names
    for name in sorted(inner):
        path = os.path.join(folder, name)  # noqa: PTH118
        yield from _folders(path, f"{prefix}{name}/", (*above, here), is_file, is_left_out)


def subfolders(folder: Path) -> Iterator[str]:
    """Yield the names of the folders in a folder, but for hidden ones, in any order.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir():
                    yield entry.name
    except OSError as error:
        raise unreadable(folder, error) from None


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
