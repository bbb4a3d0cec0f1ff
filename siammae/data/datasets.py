"""Which clips there are: folders and lists of videos."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from siammae.config.errors import DataError
from siammae.data.auditing.audited import AuditedClips, audited_clips
from siammae.data.auditing.names import base_of
from siammae.data.clips import Clips, FileClips, HeldClips

EXTENSIONS = frozenset(
    {".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".flv"}
)


@dataclass
class ClipSource:
    """A set of videos and how they are read; base of the data sets.

    root: a folder or a list file.
    repeated_sampling: pairs drawn from each opened clip (paper: 2).
    short_side: frames are read with this short side in pixels when they are larger; None: as is.
    workers: processes that read clips; what they give does not depend on it.
    max_broken: share of unreadable clips above which a run stops, 0 to 1.
    in_memory: each reader decodes a clip once and holds all its frames, for small sets.
    manifest: of `siammae.audit`: clips that it found broken are left out, each of the others is
        opened by the reader that gives its frames rightly; None: files' headers decide.
    """

    root: str
    repeated_sampling: int = 2
    short_side: int | None = 256
    workers: int = 1
    max_broken: float = 0.05
    in_memory: bool = False
    manifest: str | None = None

    def prepare(self) -> None:
        """Make what has to be made before the first use."""

    def videos(self) -> list[Path]:
        """Paths of the clips, in an order that depends on their names only."""
        raise NotImplementedError

    def footage(self) -> Clips:
        """What pairs are drawn from."""
        clips = self._audited or self.clips_at(self.videos())
        return HeldClips(clips) if self.in_memory else clips

    def clips_at(self, paths: Sequence[Path]) -> FileClips:
        """Some of `videos`, ready to be opened."""
        return FileClips(paths, self.short_side)

    def fingerprint(self) -> str:
        """A short hash that changes when the clips do, and not when their folder is moved.

        With a manifest also when other clips can be used, or another reader gives their frames.
        """
        if self._audited is not None:
            return self._audited.fingerprint(base_of(self.root))
        videos = self.videos()
        base = Path(os.path.commonpath([str(path.parent) for path in videos]))
        digest = hashlib.sha256()
        for path in videos:
            size = path.stat().st_size if path.exists() else -1
            digest.update(f"{path.relative_to(base).as_posix()}\0{size}\n".encode())
        return digest.hexdigest()[:10]

    @cached_property
    def _audited(self) -> AuditedClips | None:
        """What the manifest leaves, read once."""
        return None if self.manifest is None else audited_clips(self)


@dataclass
class Videos(ClipSource):
    """Any folder tree of videos, or a list file (``.txt``, ``.csv``) with a path a line.

    Paths of a list are relative to its folder. A column after the path, as in the lists of other
    projects (``path label``, ``path,label``, ``path 0 -1``), is passed over; names may hold spaces.
    """

    def videos(self) -> list[Path]:
        """Sorted by relative path.

        Raises:
            DataError: when there is no such folder or file, or no video in it.
        """
        root = Path(self.root).expanduser().absolute()
        if root.is_dir():
            found = sorted(_walk(root), key=lambda path: path.relative_to(root).as_posix())
        elif root.suffix.lower() in (".txt", ".csv") and root.is_file():
            found = _read_list(root)
        elif root.is_file():
            raise DataError(
                f"data.root={self.root} is a file, but no list (.txt or .csv) of videos"
            )
        else:
            raise DataError(f"data.root={self.root}: no such folder or list file")
        if not found:
            known = " ".join(sorted(EXTENSIONS))
            raise DataError(f"data.root={self.root} holds no video (looked for {known})")
        return found


def _walk(root: Path) -> list[Path]:
    """All videos below a folder, links followed, hidden files (macOS's ``._x.mp4``) left out."""
    return [
        Path(folder) / name
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in EXTENSIONS and not name.startswith("._")
    ]


def _read_list(path: Path) -> list[Path]:
    """Paths of a list file, in its order, each once."""
    found: dict[Path, None] = {}
    for line in path.read_text().splitlines():
        name = _without_columns(line.strip(), path.parent)
        if name and not name.startswith("#"):
            found[(path.parent / name).absolute()] = None
    return list(found)


def _without_columns(line: str, folder: Path) -> str:
    """The path at the start of a line: the longest beginning that names an existing file, or else
    the line up to the last word with a video's ending, so that a missing file is named whole."""
    if "," in line and not (folder / line).exists():
        line = line.split(",")[0].strip().strip('"')
    words = line.split(" ")
    for end in range(len(words), 0, -1):
        candidate = " ".join(words[:end])
        if Path(candidate).suffix.lower() in EXTENSIONS or (folder / candidate).is_file():
            return candidate
    return ""
