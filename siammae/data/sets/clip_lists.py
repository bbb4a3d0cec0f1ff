"""Lists of clips: paths as other projects write them, and names that come with a data set."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError, DataError
from siammae.system.file_tree import Folders, is_video, unreadable

SEPARATORS = re.compile(r"[ \t,]+")
SHOWN = 5  # names in a message
QUOTED = re.compile(
    r"""(?P<mark>["'])(?P<text>(?:(?!(?P=mark)).|(?P=mark){2})*)(?P=mark)(?=[\s,]|$)"""
)


def read_text(path: Path) -> str:
    """Read UTF-8 with or without a byte order mark; other bytes stay as they are in file names.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise unreadable(path, error) from None


def read_list(path: Path, folders: Folders, start: Path | None = None) -> list[Path]:
    """Return the paths in a list file, in its order, each once, whether the files are there or not.

    What follows a path after a space, tab or comma (``path label``, ``path,label``, ``path 0 -1``)
    is ignored. Paths may hold all of these, and may stand in quotes. Empty lines, comments (``#``)
    and lines without a video are ignored.

    Args:
        path: the list.
        folders: what is known about the disk.
        start: folder from which relative paths start; None: the list's folder.
    """
    return list(read_labels(path, folders, start))


def read_labels(path: Path, folders: Folders, start: Path | None = None) -> dict[Path, str | None]:
    """Return the paths in a list file, see `read_list`, each with what follows it on its line.

    That is the clip's label, a word or a number. None where nothing follows or several columns do.
    """
    folder = str((start or path.parent).absolute())
    found: dict[str, str | None] = {}
    for line in read_text(path).split("\n"):
        name = _path_of(line.strip(), folder, folders)
        if name:
            place = os.path.join(folder, name)  # noqa: PTH118
            found.setdefault(place, _label_of(line.strip(), name))
    return {Path(name): label for name, label in found.items()}


def _label_of(line: str, name: str) -> str | None:
    """Return the only column after the path; ``name`` is the path without its quotes."""
    quoted = QUOTED.match(line)
    rest = line[len(name) :] if quoted is None or line.startswith(name) else line[quoted.end() :]
    columns = [column for column in SEPARATORS.split(rest) if column]
    return columns[0] if len(columns) == 1 else None


def _path_of(line: str, folder: str, folders: Folders) -> str:
    """Return the longest beginning of a line that names a file.

    If there is none, return what stands in quotes, or else the longest beginning with a video's
    ending, so that a missing file is named whole.
    """
    for name in _beginnings(line):
        if name and folders.has(os.path.join(folder, name)):  # noqa: PTH118
            return name
    quoted = QUOTED.match(line)
    if quoted and is_video(quoted["text"]):
        return quoted["text"].replace(quoted["mark"] * 2, quoted["mark"])
    if line.startswith("#"):
        return ""
    return next((name for name in _beginnings(line) if is_video(name)), "")


def _beginnings(line: str) -> Iterator[str]:
    """Yield the line, then the line without its last column, and so on."""
    yield line
    for separator in reversed(list(SEPARATORS.finditer(line))):
        yield line[: separator.start()]


def check_missing(
    source: str, missing: Sequence[object], listed: int, most: float, where: str = ""
) -> None:
    """Refuse a list of which too many files are missing; print a note about fewer, once.

    Args:
        source: the list.
        missing: names of files that are not there.
        listed: number of files in the list.
        most: share of them that may be missing, ``data.max_broken``.
        where: where was looked for them, with a space before it.

    Raises:
        DataError: with how many are missing, and the first of them.
    """
    if not missing:
        return
    first = ", ".join(str(name) for name in missing[:SHOWN])
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    message = (
        f"{source}: {len(missing)} of the {listed} clips that it names are missing{where}: "
        f"{first}{more}; data.max_broken={most} allows {int(most * listed)}"
    )
    if len(missing) > most * listed:
        raise DataError(message)
    _print_once(message)


@lru_cache(maxsize=64)
def _print_once(note: str) -> None:
    """Print a note once, although several parts of a command ask a data set for its clips."""
    print(f"note: {note}", file=sys.stderr)


def names_of(path: Path, layout: str) -> list[str]:
    """Return the first word of each line, each once, in the list's order.

    Args:
        path: the list.
        layout: what the root should hold, for the error.

    Raises:
        DataError: when there is no such list, or nothing in it.
    """
    if not path.is_file():
        others = sorted(p.stem for p in path.parent.glob("*.txt") if not p.name.startswith("."))
        there = f"; there are: {', '.join(others)}{nearest(path.stem, others)}" if others else ""
        raise DataError(f"{path}: no such list{there}; {layout}")
    lines = path.read_text("utf-8-sig", errors="surrogateescape").splitlines()
    names = dict.fromkeys(line.split()[0] for line in lines if line.strip())
    if not names:
        raise DataError(f"{path} lists nothing; {layout}")
    return list(names)


def refuse_measured(
    split: str, names: Iterable[str], measured: Iterable[str], benchmark: str, allowed: bool
) -> None:
    """Refuse to train on clips that a benchmark measures, which makes its figures worthless.

    Args:
        split: name of the split, for the error.
        names: clips that would be trained on.
        measured: clips that the benchmark measures.
        benchmark: its name.
        allowed: whether the user allows it.

    Raises:
        ConfigError: when some are measured and that is not allowed.
    """
    both = set(names) & set(measured)
    if both and not allowed:
        raise ConfigError(
            f"data.split={split}: {len(both)} of its clips, such as {min(both)}, are measured by "
            f"benchmark={benchmark}; take data.split=train, or data.allow_measured=true to train "
            "on them all the same"
        )
