"""Folders of single images, in ImageNet's layout or any other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import Clips, FileClips, SmallerClip
from siammae.data.reading.image_folder import IMAGES, is_image
from siammae.data.reading.single_image import SingleImage
from siammae.data.sets.released import SIZES, SPLIT_FOLDERS
from siammae.data.sets.videos import ClipSource, file_size
from siammae.system.errors import DataError
from siammae.system.file_list import FileList
from siammae.system.file_tree import by_folder, kind_of, subfolders
from siammae.system.foreign_text import as_utf8

TRAIN = "train"


class SingleImages(FileClips):
    """Clips of one image each, visited in a new random order in every pass."""

    @override
    def open(self, clip: int) -> Clip:
        return SmallerClip(SingleImage(self.paths[clip]), self.short_side)


@dataclass
class Images(ClipSource):
    """Image files at any depth below the root, each of them a clip of one frame.

    They are those of ``ROOT/train``, where that is the training part of a set (see `_is_part`), as
    in ImageNet's ``ROOT/train/CLASS/*.JPEG``; otherwise those of the root. The first folder on the
    way from there to an image is its class.

    The folders are read once. But for the few whose sizes `fingerprint` asks, no file is looked at
    before its turn.
    """

    @property
    @override
    def has_single_images(self) -> bool:
        return True

    @override
    def videos(self) -> Sequence[Path]:
        """Return the files, folder by folder, in the order of their names.

        Raises:
            DataError: when there is no such folder, or no image in it.
        """
        return self._files

    @override
    def clips_at(self, paths: Sequence[Path]) -> SingleImages:
        return SingleImages(paths, self.short_side)

    @override
    def classes(self, clips: Clips | None = None) -> list[str | None]:
        if self.manifest is not None:
            return super().classes(clips)
        files = self._files
        named = zip(map(_class_of, files.folders), files.counts(), strict=True)
        return [name for name, count in named for _ in range(count)]

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the first folder on the way to each image."""
        return [_class_of(name.removeprefix(f"{self._files.root}/")) for name in names]

    def fingerprint(self) -> str:
        """Return a short hash of all names, and of the sizes of some files, evenly chosen.

        Asking for the 1.28 million sizes of ImageNet takes minutes on a network disk. With a
        manifest see `ClipSource.fingerprint`.
        """
        if self.manifest is not None:
            return super().fingerprint()
        files = self._files
        chosen = files[:: len(files) // SIZES + 1]
        digest = hashlib.sha256(files.hash())
        digest.update(repr([file_size(path) for path in chosen]).encode())
        return digest.hexdigest()[:10]

    @cached_property
    def _files(self) -> FileList:
        root = Path(self.root).expanduser().absolute()
        kind = kind_of(root)
        if kind != "folder":
            what = "is a file; a folder of images is needed" if kind else "no such folder"
            raise DataError(f"data.root={self.root}: {what}")
        top = root / TRAIN if _is_part(root / TRAIN) else root
        files = FileList(top, by_folder(top, is_image))
        if not files:
            known = " ".join(sorted(IMAGES))
            raise DataError(f"data.root={self.root} holds no image (looked for {known})")
        return files


def _is_part(train: Path) -> bool:
    """Return whether a folder called train is a part of a set, and no class that is called so.

    It is when it has folders, its classes; also when it stands alone or beside a part for
    validation or test.
    """
    if kind_of(train) != "folder":
        return False
    beside = [name for name in subfolders(train.parent) if name != TRAIN]
    others = (SPLIT_FOLDERS[part].fullmatch(name) for part in ("val", "test") for name in beside)
    return not beside or any(others) or any(subfolders(train))


def _class_of(place: str) -> str | None:
    """Return the first folder of a relative path; None where there is none."""
    folder, slash, _ = place.partition("/")
    return as_utf8(folder) if slash else None
