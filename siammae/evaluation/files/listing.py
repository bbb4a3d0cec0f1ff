"""What is there of a data set: files that are not hidden, and the listed names that have some."""

from collections.abc import Callable, Sequence
from pathlib import Path

from siammae.config.errors import DataError

NAMED = 5  # of the missing names, in an error


def visible(folder: Path, pattern: str) -> list[Path]:
    """Paths in a folder that match, sorted, without hidden ones such as macOS's ``._00000.png``.

    Args:
        folder: need not be there.
        pattern: of `Path.glob`.
    """
    found = folder.glob(pattern)
    hidden = len(folder.parts)
    return sorted(p for p in found if not any(part[0] == "." for part in p.parts[hidden:]))


def present(
    listed: Sequence[str],
    there: Callable[[str], bool],
    allow_missing: bool,
    lacks: str,
    noun: str,
    layout: str,
    way: str = "allow_missing=true",
) -> list[str]:
    """The listed names whose files are there, in the list's order.

    Args:
        listed: all that should be there.
        there: whether a name is.
        allow_missing: leave out those that are not.
        lacks: the start of the error: which folder lacks what.
        noun: what the names are of.
        layout: what the folder should hold, told when it holds none of them.
        way: how a user allows it.

    Raises:
        DataError: when some are missing and that is not allowed, or all are.
    """
    missing = [name for name in listed if not there(name)]
    if missing and (not allow_missing or len(missing) == len(listed)):
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        hint = layout if len(missing) == len(listed) else f"{way} measures the others"
        raise DataError(
            f"{lacks} {len(missing)} of the {len(listed)} {noun}: "
            f"{', '.join(missing[:NAMED])}{more}; {hint}"
        )
    gone = set(missing)
    return [name for name in listed if name not in gone]
