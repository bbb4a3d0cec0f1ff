"""The paths of very many files, held as their names alone."""

import hashlib
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from typing_extensions import override


class FileList(Sequence[Path]):
    """Paths of files in the memory of their names and 9 bytes each; a path is made when asked for.

    1.28 million `Path` objects would take a gigabyte in each process that reads, and as texts they
    take 150 MB, which are slow to send.

    Args:
        root: folder that all lie in or below.
        folders: relative path of each folder, which ends with a slash or is empty, and the names
            in it, see `by_folder`.
    """

    def __init__(self, root: Path, folders: Iterable[tuple[str, Sequence[str]]]):
        self.root = str(root)
        self.folders: list[str] = []
        self._firsts = array("q")  # number of each folder's first file
        names, self._begins = bytearray(), array("q", [0])
        for folder, inside in folders:
            self.folders.append(folder)
            self._firsts.append(len(self))
            for name in inside:
                names += os.fsencode(name) + b"/"  # which is part of no name
                self._begins.append(len(names))
        self._names = bytes(names)

    def __len__(self) -> int:
        return len(self._begins) - 1

    @overload
    def __getitem__(self, key: int) -> Path: ...
    @overload
    def __getitem__(self, key: slice) -> list[Path]: ...
    @override
    def __getitem__(self, key: int | slice) -> Path | list[Path]:
        numbers = range(len(self))[key]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return Path(self.root, self.relative(numbers))

    def relative(self, number: int) -> str:
        """Return the path of a file below the root, with slashes."""
        folder = self.folders[bisect_right(self._firsts, number) - 1]
        return folder + os.fsdecode(
            self._names[self._begins[number] : self._begins[number + 1] - 1]
        )

    def counts(self) -> list[int]:
        """Return the number of files in each folder."""
        ends = [*self._firsts, len(self)][1:]
        return [end - first for first, end in zip(self._firsts, ends, strict=True)]

    def hash(self) -> bytes:
        """Return a hash of the relative paths in their order, wherever the root lies."""
        digest = hashlib.sha256()
        for folder, count in zip(self.folders, self.counts(), strict=True):
            digest.update(os.fsencode(folder) + b"\0%d\0" % count)
        digest.update(self._names)
        return digest.digest()
