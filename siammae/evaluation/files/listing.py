"""Finding what is there of a data set: visible files, and the listed names that have some."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from siammae.system.errors import DataError
from siammae.system.foreign_text import refusal
from siammae.system.printable import printable

NAMED = 5  # of the missing names, in an error


def visible(folder: Path, pattern: str) -> list[Path]:
    """Return paths in a folder that match, sorted, without hidden ones (macOS's ``._00000.png``).

    Args:
        folder: need not be there.
        pattern: of `Path.glob`.
    """
    found = folder.glob(pattern)
    hidden = len(folder.parts)
    return sorted(p for p in found if not any(part[0] == "." for part in p.parts[hidden:]))


def names_in(path: Path, words: Sequence[str], noun: str) -> list[str]:
    """Return the names that a list file holds.

    Args:
        path: of the list, for the error.
        words: its names.
        noun: what they are of, for the error: ``sequence``.

    Raises:
        DataError: when there is none, one leads out of the data set's folder, or one stands there
            twice and would count twice.
    """
    if not words:
        raise DataError(f"{path} lists no {noun}")
    twice = next((name for name, count in Counter(words).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path} lists the {noun} {twice} twice")
    strange = next((name for name in words if refusal(name) or name != printable(name)), None)
    if strange is not None:
        raise DataError(
            f"{path}: the {noun} {strange!r} {refusal(strange) or 'has no proper name'}"
        )
    return list(words)


def pair(
    frames: Sequence[Path], masks: Sequence[Path], folders: tuple[Path, Path]
) -> list[tuple[Path, Path]]:
    """Pair frames and masks of the same stem, in the order of `in_order`.

    Args:
        frames, masks: of one video.
        folders: of both, for the error.

    Raises:
        DataError: naming the first file that has no partner.
    """
    stems = [{path.stem: path for path in paths} for paths in (frames, masks)]
    alone = in_order([path for path in (*frames, *masks) if not all(path.stem in s for s in stems)])
    if alone:
        is_mask = alone[0].stem in stems[1]
        raise DataError(
            f"{alone[0]} has no {'frame' if is_mask else 'mask'} of that name in "
            f"{folders[0 if is_mask else 1]}"
        )
    return [(stems[0][mask.stem], mask) for mask in in_order(masks)]


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Sort by number, 9 before 10 whatever the zeros; what is no number comes last, by name."""

    def place(path: Path) -> tuple[bool, int, str]:
        number = path.stem.isdecimal()
        return not number, int(path.stem) if number else 0, path.name

    return sorted(paths, key=place)


def present(
    listed: Sequence[str],
    there: Callable[[str], bool],
    allow_missing: bool,
    lacks: str,
    noun: str,
    layout: str,
    way: str = "allow_missing=true",
) -> list[str]:
    """Return the listed names whose files are there, in the list's order.

    Args:
        listed: all that should be there.
        there: whether a name is.
        allow_missing: leave out those that are not.
        lacks: the start of the error: which folder lacks what.
        noun: what the names are of.
        layout: what the folder should hold, for the error when it holds none of them.
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
