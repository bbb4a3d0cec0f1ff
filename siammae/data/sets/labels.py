"""The classes of a data set's clips as numbers, for methods that learn from labels."""

import hashlib
from typing import NamedTuple

from siammae.data.sets.videos import ClipSource, option_of
from siammae.system.errors import DataError
from siammae.system.foreign_text import one_line


class Labels(NamedTuple):
    """Classes in the order of their names, and the number of each clip's class, from 0."""

    names: list[str]
    of_clips: list[int]

    def fingerprint(self) -> str:
        """Return a short hash of which clips are of which class."""
        text = repr((self.names, self.of_clips))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]


def labels_of(source: ClipSource) -> Labels:
    """Number the classes of a source's clips.

    Raises:
        DataError: when clips have no class, or all have the same.
    """
    clips = source.footage()
    classes = source.classes(clips)
    known = [name for name in classes if name is not None]
    where = f"data={option_of(type(source))}, data.root={source.root}"
    if len(known) < len(classes):
        none = len(classes) - len(known)
        first = one_line(clips.name(classes.index(None)))
        raise DataError(
            f"{where}: {none} of {len(classes)} clips have no class, such as {first}, and the "
            "method learns from classes. Those of data=videos and images are ROOT/CLASS/, or a "
            "list's column after the path; kinetics400, ucf101, hmdb51, ssv2 and packs of all "
            "these have their own"
        )
    names = sorted(set(known))
    if len(names) < 2:
        only = f", {one_line(names[0])}" if names else ""
        raise DataError(
            f"{where}: {len(names)} class{only}; the method learns to tell at least two apart"
        )
    numbers = {name: number for number, name in enumerate(names)}
    return Labels(names, [numbers[name] for name in known])
