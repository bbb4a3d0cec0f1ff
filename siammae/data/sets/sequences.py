"""Clips that are folders of images."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import FileClips, SmallerClip
from siammae.data.reading.image_folder import IMAGES, ImageClip, image_sizes, is_image
from siammae.data.sets.videos import ClipSource
from siammae.system.errors import DataError


class FolderClips(FileClips):
    """Clips of one folder of images each, visited in a new random order in every pass.

    Args:
        paths: the folders.
        short_side: short side of the frames, see `shrink`.
        fps: images per second; None when unknown.
    """

    def __init__(
        self, paths: Sequence[Path], short_side: int | None = None, fps: float | None = None
    ):
        super().__init__(paths, short_side)
        self.fps = fps

    @override
    def open(self, clip: int) -> Clip:
        return SmallerClip(ImageClip(self.paths[clip], self.fps), self.short_side)


@dataclass
class ImageFolders(ClipSource):
    """Base of the sets whose clips are folders of images; `ImageClip` says what is a frame.

    fps: images per second, for gaps in seconds; None when unknown.
    """

    fps: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1000:
            raise ValueError(f"fps={self.fps}: must be above 0 and below 1000, or null: unknown")

    @property
    def folder(self) -> Path:
        """The root of the data set.

        Raises:
            DataError: when there is no such folder.
        """
        root = Path(self.root).expanduser().absolute()
        if not root.is_dir():
            raise DataError(f"data.root={self.root}: no such folder")
        return root

    @override
    def clips_at(self, paths: Sequence[Path]) -> FolderClips:
        return FolderClips(paths, self.short_side, self.fps)

    def fingerprint(self) -> str:
        """Return a short hash of the images' places below the root and of their sizes.

        With a manifest see `ClipSource.fingerprint`.
        """
        if self._audited is not None:
            return super().fingerprint()
        root, digest = self.folder, hashlib.sha256()
        for folder in self.videos():
            digest.update(_bytes(f"{folder.relative_to(root).as_posix()}\n"))
            sizes = image_sizes(folder) if folder.is_dir() else {"": -1}
            for name in sorted(sizes):
                digest.update(_bytes(f"{name}\0{sizes[name]}\n"))
        return digest.hexdigest()[:10]


def _bytes(text: str) -> bytes:
    """Return the bytes of names, some of which may be no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


@dataclass
class Sequences(ImageFolders):
    """Any tree of folders with images: each folder that holds some is a clip.

    Folders of masks would be clips, too: ``root`` should hold frames alone.
    """

    def videos(self) -> list[Path]:
        """Return the folders by relative path; hidden ones are left out, links are followed.

        Raises:
            DataError: when there is no such folder, or no image in it.
        """
        root, found = self.folder, []
        for folder, inner, names in os.walk(root, followlinks=True):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if any(is_image(name) for name in names):
                found.append(Path(folder))
        if not found:
            known = " ".join(sorted(IMAGES))
            raise DataError(f"data.root={self.root} holds no image (looked for {known})")
        return sorted(found, key=lambda path: path.relative_to(root).as_posix())
