"""What published sets of video files share: names, splits, lists and a fingerprint."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from siammae.data.sets.clip_lists import check_missing
from siammae.data.sets.videos import ClipSource, file_size
from siammae.system.errors import DataError
from siammae.system.file_tree import KNOWN, is_video, kind_of, walk

SIZES = 500  # files whose size counts in a fingerprint
# train, and train2, train_256 or validation of other copies; no class is called so.
SPLIT_FOLDERS = {
    "train": re.compile(r"train([\d_-].*)?"),
    "val": re.compile(r"val(id|idate|idation)?([\d_-].*)?"),
    "test": re.compile(r"test([\d_-].*)?"),
}


def folder_and_stem(file: str) -> tuple[str, str]:
    """Return the names of a file's folder and of the file without its ending; quicker than Path."""
    folder, _, name = file.rpartition("/")
    return folder.rpartition("/")[2], os.path.splitext(name)[0]  # noqa: PTH122


@dataclass
class ReleasedSet(ClipSource):
    """Base of published sets, whose clips are known by their names wherever they lie.

    split: the clips to use, one of ``SPLITS``.
    """

    split: str = "all"
    SPLITS: ClassVar[tuple[str, ...]] = ("all",)

    def __post_init__(self) -> None:
        if self.split not in self.SPLITS:
            raise ValueError(f"split={self.split}: there are {', '.join(self.SPLITS)}")

    def clips(self) -> dict[str, Path]:
        """Return the files of the split by the clips' names."""
        raise NotImplementedError

    def videos(self) -> list[Path]:
        """Return the files in the order of the clips' names: any layout gives the same pairs.

        Raises:
            DataError: when the folder, the clips or the split's list are not there.
        """
        clips = self.clips()
        if not clips:
            raise DataError(
                f"data.root={self.root}: no clip of data.split={self.split} (looked for {KNOWN})"
            )
        return [clips[name] for name in sorted(clips)]

    def fingerprint(self) -> str:
        """Return a short hash of all names, and of the sizes of some files, evenly chosen.

        A name says which clip of the set it is; sizes distinguish copies of other resolutions.
        Asking for all 240,000 sizes of Kinetics takes minutes on a network disk. With a manifest
        see `ClipSource.fingerprint`.
        """
        if self.manifest is not None:
            return super().fingerprint()
        clips = self.clips()
        names = sorted(clips)
        sizes = [str(file_size(clips[name])) for name in names[:: len(names) // SIZES + 1]]
        text = "\n".join([*names, "", *sizes])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]

    def folder(self) -> Path:
        """Return where the set lies.

        Raises:
            DataError: when there is no such folder.
        """
        folder = Path(self.root).expanduser().absolute()
        if kind_of(folder) != "folder":
            raise DataError(f"data.root={self.root}: no such folder")
        return folder

    def files(self) -> list[str]:
        """Return the relative paths of all files, sorted.

        Raises:
            DataError: when no video is among them.
        """
        files = walk(self.folder())
        if not any(map(is_video, files)):
            raise DataError(f"data.root={self.root} holds no video (looked for {KNOWN})")
        return files

    def named(self, files: Iterable[str], name: Callable[[str, str], str]) -> dict[str, Path]:
        """Return the videos among some files by their clips' names, the first of several copies.

        Args:
            files: relative paths.
            name: makes a clip's name from the name of its folder and that of the file without its
                ending.
        """
        folder = self.folder()
        found: dict[str, Path] = {}
        for file in files:
            if is_video(file):
                found.setdefault(name(*folder_and_stem(file)), folder / file)
        return found

    def list_file(self, files: Iterable[str], *endings: str) -> Path:
        """Return the list that a split needs, the one that lies highest in the folder.

        Raises:
            DataError: when there is none.
        """
        there = [file for file in files if f"/{file}".endswith(endings)]
        if not there:
            wanted = " or ".join(f"*{ending}".removeprefix("*/") for ending in endings)
            raise DataError(
                f"data.split={self.split} needs {wanted}, which is not below "
                f"data.root={self.root}; data.split=all takes every clip"
            )
        return self.folder() / min(there, key=lambda file: (file.count("/"), file))

    def chosen(
        self, source: Path | str, wanted: Sequence[str], found: dict[str, Path]
    ) -> dict[str, Path]:
        """Return the listed clips among those found.

        Raises:
            DataError: when the list is empty or more are missing than ``max_broken`` allows.
        """
        if not wanted:
            raise DataError(f"{source} lists no clip of data.split={self.split}")
        missing = [name for name in wanted if name not in found]
        check_missing(
            str(source), missing, len(wanted), self.max_broken, f" below data.root={self.root}"
        )
        return {name: found[name] for name in wanted if name in found}
