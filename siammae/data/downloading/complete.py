"""Seeing whether a folder holds a whole data set, and naming what is missing."""

import glob
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from siammae.data.downloading.catalog import DataSet, Expectation
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_object, read_objects

FIELD = re.compile(r"\{(\w+)\}")
SHOWN = 10  # names in one line
Values = dict[str, str]


@dataclass
class State:
    """What was found of a layout.

    layout: its name. found: a line for each kind of file. lacks: a line for each lack.
    files: number of files that are there.
    """

    layout: str = ""
    found: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    files: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.lacks


def inspect(dataset: DataSet, root: Path) -> State:
    """Return the state of the layout that is complete, or else of the one with most files.

    No network is used. A file without content counts as missing.
    """
    states = []
    for name, expectations in dataset.layouts.items():
        state = State(name)
        for expected in expectations:
            _look(expected, root, state)
        if state.complete:
            return state
        states.append(state)
    return max(states, key=lambda state: state.files)


def shorten(names: list[str]) -> str:
    """Return names in one line, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _look(expected: Expectation, root: Path, state: State) -> None:
    """Compare one kind of file with the folder."""
    listed = _names(expected, root, state)
    matches = list(_matches(root, expected.files, listed))
    empty = {path for path, _ in matches if not _has(root / path)}
    _note(state, "empty", sorted(empty))
    values = [found for path, found in matches if path not in empty]
    state.files += len(values)
    state.found.append(_summary(expected, values))
    for key in {**listed, **expected.distinct}:
        there = {found[key] for found in values}
        absent = [name for name in listed.get(key, []) if name not in there]
        _note(state, f"{expected.files}: no {key}", absent)
        least = expected.distinct.get(key, 1)
        if len(there) < least:
            _lack(state, f"{expected.files}: {len(there)} of {least} {several(key)}")
    least = expected.count or (0 if listed or expected.distinct else 1)
    if len(values) < least:
        _lack(state, f"{expected.files}: {len(values)} of {least} files")
    for other in expected.beside:
        partners = dict.fromkeys(other.format_map(found) for found in values)
        missing = [path for path in partners if not _has(root / path)]
        state.files += len(partners) - len(missing)
        _note_by_folder(state, list(partners), missing)


def _names(expected: Expectation, root: Path, state: State) -> dict[str, list[str]]:
    """Return the names that must be there by field; a missing list file is noted as a lack."""
    listed = {}
    for key, given in expected.listed.items():
        if not isinstance(given, str):
            listed[key] = given
        elif _has(root / given):
            listed[key] = read_list(root / given)
            state.files += 1
        else:
            _lack(state, f"{given} is missing: it lists the {several(key)}")
    return listed


def read_list(path: Path) -> list[str]:
    """Return the names in a list file, each once, in its order.

    A name is the first word of a line; for a path it is the name of its folder. In a JSON like
    YouTube-VIS's it is the ``ytid`` of a video.

    Raises:
        DataError: when it is no such file.
    """
    try:
        text = path.read_text()
        if path.suffix == ".json":
            videos = read_objects(read_object(text)["videos"])
            return list(dict.fromkeys(str(video["ytid"]) for video in videos))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} lists no names: {error!r}") from None
    words = [line.split()[0] for line in text.splitlines() if line.strip()]
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))


def _matches(
    root: Path, template: str, listed: dict[str, list[str]]
) -> Iterator[tuple[str, Values]]:
    """Yield the files that fit the template, with the values of its fields."""
    if not listed:
        yield from _glob(root, template)
        return
    key, names = next(iter(listed.items()))
    rest = {other: values for other, values in listed.items() if other != key}
    for name in names:
        for path, values in _matches(root, template.replace(f"{{{key}}}", name), rest):
            yield path, {key: name, **values}


def _glob(root: Path, template: str) -> Iterator[tuple[str, Values]]:
    literal = FIELD.split(template)  # text and names of fields take turns
    pattern = "".join("*" if i % 2 else glob.escape(part) for i, part in enumerate(literal))
    shape = "".join(
        f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(literal)
    )
    # Unlike pathlib's, this glob leaves out hidden files, such as the ._NAME of macOS.
    for path in sorted(glob.iglob(pattern, root_dir=root)):  # noqa: PTH207
        match = re.fullmatch(shape, path)
        if match:
            yield path, match.groupdict()


def _has(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _note(state: State, what: str, names: list[str]) -> None:
    if names:
        _lack(state, f"{what} ({len(names)}): {shorten(names)}")


def _note_by_folder(state: State, wanted: list[str], missing: list[str]) -> None:
    """Note missing files by name, or by folder where a folder lacks all of several files."""
    parents = [str(Path(path).parent) for path in missing]
    lacking, full = Counter(parents), Counter(str(Path(path).parent) for path in wanted)
    gone = {folder for folder, count in lacking.items() if count == full[folder] > 1}
    _note(state, "no files in", sorted(gone))
    pairs = zip(missing, parents, strict=True)
    _note(state, "missing", [path for path, parent in pairs if parent not in gone])


def _lack(state: State, line: str) -> None:
    if line not in state.lacks:
        state.lacks.append(line)


def _summary(expected: Expectation, values: list[Values]) -> str:
    keys = FIELD.findall(expected.files)[:-1]  # the last one numbers the files
    counts = [f"{len({found[key] for found in values})} {several(key)}" for key in keys]
    return f"{expected.files}: " + ", ".join([*counts, f"{len(values)} files"])


def several(word: str) -> str:
    """Return the plural of a field's name."""
    return word + ("es" if word.endswith("s") else "s")
