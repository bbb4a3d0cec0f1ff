"""The base of all data sets of clips, and any folder or list of videos as a data set."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import yaml
from typing_extensions import override

from siammae.data.manifests.audited import AuditedClips, audited_clips
from siammae.data.manifests.facts import base_of
from siammae.data.reading.clips import Clips, FileClips, HeldClips
from siammae.data.sets.clip_lists import check_missing, read_labels, read_list
from siammae.system.errors import DataError
from siammae.system.file_tree import KNOWN, Folders, is_video, kind_of, walk
from siammae.system.paths import CONFIGS


@dataclass
class ClipSource:
    """A set of videos and how they are read; base of the data sets.

    root: folder of the clips, or a list file.
    repeated_sampling: number of pairs drawn from each opened clip (paper: 2).
    short_side: short side in pixels to which larger frames are shrunk; None keeps them as they are.
    workers: number of processes that read clips; what they read does not depend on it.
    max_broken: share of unreadable clips above which a run stops, 0 to 1.
    in_memory: whether each reader decodes a clip once and holds all its frames, for small sets.
    manifest: file that `siammae.audit` wrote. Clips that it found broken are left out, and of the
        others no frame is read beyond the first damage.

    A subclass with other keys that cannot change a result adds their names to ``incidental``. The
    fingerprint of the clips counts in their place.
    """

    incidental: ClassVar[tuple[str, ...]] = ("root", "workers", "in_memory", "manifest")

    root: str
    repeated_sampling: int = 2
    short_side: int | None = 256
    workers: int = 1
    max_broken: float = 0.05
    in_memory: bool = False
    manifest: str | None = None

    def __post_init__(self) -> None:
        for key, least in (("repeated_sampling", 1), ("workers", 0), ("short_side", 1)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise ValueError(f"data.{key}={value}: an int >= {least} is needed")
        if not 0 <= self.max_broken <= 1:
            raise ValueError(f"data.max_broken={self.max_broken}: a share in [0, 1] is needed")

    def prepare(self) -> None:
        """Make whatever has to be made before the first use."""

    @property
    def has_single_images(self) -> bool:
        """Whether clips are single images, so that no sample can have several of a clip's frames.

        It is asked when settings are checked, so no file is read for it.
        """
        return False

    def videos(self) -> Sequence[Path]:
        """Return the paths of the clips, in an order that depends on their names only."""
        raise NotImplementedError

    def footage(self) -> Clips:
        """Return the clips that pairs are drawn from."""
        clips = self._audited or self.clips_at(self.videos())
        return HeldClips(clips) if self.in_memory else clips

    def classes(self, clips: Clips | None = None) -> list[str | None]:
        """Return the name of each clip's class, in the order of `footage`; None: it has none.

        Args:
            clips: what `footage` returned, where it is known; else the set is listed anew.
        """
        clips = self.footage() if clips is None else clips
        return self.classes_of([clips.name(clip) for clip in range(len(clips))])

    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the classes of clips by what `Clips.name` calls them, a path for most sets."""
        return [None] * len(names)

    def clips_at(self, paths: Sequence[Path]) -> FileClips:
        """Return some of `videos`, ready to be opened."""
        return FileClips(paths, self.short_side)

    def fingerprint(self) -> str:
        """Return a short hash that changes with the clips, but not when their folder is moved.

        With a manifest it also changes with which clips can be used, and how far each is whole.
        """
        if self._audited is not None:
            return self._audited.fingerprint(base_of(self.root))
        videos = self.videos()
        base = Path(os.path.commonpath([str(path.parent) for path in videos]))
        digest = hashlib.sha256()
        for path in videos:
            row = f"{path.relative_to(base).as_posix()}\0{file_size(path)}\n"
            digest.update(row.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:10]

    def overrides(self) -> str:
        """Return what names this set on the command line: its option, root and keys of its own."""
        common = {field.name for field in fields(ClipSource)}
        words = [f"data={option_of(type(self))}", f"data.root={self.root}"]
        for field in fields(self):
            value = getattr(self, field.name)
            own = field.name not in common and value != field.default
            if own and isinstance(value, str | int):
                words.append(f"data.{field.name}={value}")
        return " ".join(words)

    @cached_property
    def _audited(self) -> AuditedClips | None:
        """The clips that the manifest leaves, read once; None without a manifest."""
        return None if self.manifest is None else audited_clips(self)


@dataclass
class Videos(ClipSource):
    """Any folder tree of videos, or a list file (``.txt``, ``.csv``) with a path a line.

    Paths in a list are relative to its folder. Columns after the path, as in the lists of other
    projects (``path label``, ``path,label``, ``path 0 -1``), are no part of it; names may hold
    spaces. A single one is the clip's class; below a folder that is the first folder on the way.
    Missing files count as broken clips: more than ``max_broken`` of them are refused at once.
    """

    def videos(self) -> list[Path]:
        """Return the files by relative path, or in the order of a list.

        Raises:
            DataError: when there is no such folder or file, no video in it, or too many files of a
                list are missing.
        """
        root = Path(self.root).expanduser().absolute()
        kind = kind_of(root)
        if kind == "folder":
            found = [root / name for name in walk(root) if is_video(name)]
        elif root.suffix.lower() in (".txt", ".csv") and kind:
            found = self._listed(root)
        elif kind:
            raise DataError(
                f"data.root={self.root} is a file, but no list (.txt or .csv) of videos"
            )
        else:
            raise DataError(f"data.root={self.root}: no such folder or list file")
        if not found:
            raise DataError(f"data.root={self.root} holds no video (looked for {KNOWN})")
        return found

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return the folder directly below the root that a clip is in, or a list's only column
        after the path."""
        root = Path(self.root).expanduser().absolute()
        if kind_of(root) != "folder":
            listed = {str(path): label for path, label in read_labels(root, Folders()).items()}
            return [listed.get(name) for name in names]
        parts = [Path(name).relative_to(root).parts for name in names]
        return [folder[0] if len(folder) > 1 else None for folder in parts]

    def _listed(self, path: Path) -> list[Path]:
        """Return the files of a list, in its order."""
        folders = Folders()
        found = read_list(path, folders)
        missing = [clip for clip in found if not folders.has(str(clip))]
        check_missing(f"data.root={self.root}", missing, len(found), self.max_broken)
        return found


def option_of(kind: type) -> str:
    """Return the option of the group ``data`` that names a class, or NAME when none does."""
    target = f"siammae.data.{kind.__qualname__}"
    for path in sorted((CONFIGS / "data").glob("*.yaml")):
        if (yaml.safe_load(path.read_text()) or {}).get("_target_") == target:
            return path.stem
    return "NAME"


def file_size(path: Path) -> int:
    """Return the bytes of a file; -1 when there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
