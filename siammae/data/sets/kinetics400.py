"""Kinetics-400: 240,258 clips of ten seconds for training (Kay and others, 2017)."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from siammae.data.sets.clip_lists import check_missing, read_labels, read_list, read_text
from siammae.data.sets.released import SPLIT_FOLDERS, ReleasedSet, folder_and_stem
from siammae.system.errors import DataError
from siammae.system.file_tree import Folders, is_video, kind_of, walk

REPLACEMENTS = "replacement_for_corrupted_k400"
CLIP = re.compile(r"(?P<id>.{11})(?:_(?P<start>\d+)_(?P<end>\d+))?")


@dataclass
class Kinetics400(ReleasedSet):
    """Clips ``{youtube_id}_{start}_{end}.mp4``, each of which counts once.

    They may lie in ``train``, ``val`` and ``test``, in class folders or not, at any depth, as
    links or files. Without such folders the whole root is used. Clips in a folder
    ``replacement_for_corrupted_k400`` replace the corrupted ones of the same names.

    split: ``train``, ``val``, ``test`` or ``all``.
    clip_list: list of the clips to use: one of the set's csv files, with a column youtube_id, or a
        list of paths below the root (``path label``, ``path 0 -1``, ``path,label``), which is used
        whole whatever the split. The root itself may be such a list, beside the clips.
    """

    incidental = (*ReleasedSet.incidental, "clip_list")

    split: str = "train"
    clip_list: str | None = None
    SPLITS: ClassVar = ("train", "val", "test", "all")

    @override
    def clips(self) -> dict[str, Path]:
        source = self._source()
        if source is None:
            return self._in_folders()
        if not _is_table(source):
            return self._of_paths(source)
        found = self._in_folders()
        known = _ByVideo(found)
        rows = self._rows(source)
        return self.chosen(source, [known.find(name) or name for name in rows], found)

    def folder(self) -> Path:
        """Return the root; when that is a list, its folder or the one around ``annotations``."""
        root = Path(self.root).expanduser().absolute()
        if kind_of(root) != "file":
            return super().folder()
        return root.parent.parent if root.parent.name == "annotations" else root.parent

    def _source(self) -> Path | None:
        """Return the list, if there is one."""
        root = Path(self.root).expanduser().absolute()
        given = None if self.clip_list is None else Path(self.clip_list).expanduser()
        if kind_of(root) == "file":
            if given is not None:
                raise DataError("data.root is a list, and data.clip_list another: name a folder")
            return root
        for path in () if given is None else (given.absolute(), root / given):
            if kind_of(path) == "file":
                return path
        if given is not None:
            raise DataError(f"data.clip_list={self.clip_list}: no such file")
        return None

    def _in_folders(self) -> dict[str, Path]:
        """Return the clips of the split's folders."""
        files = self.files()
        stand_ins = [file for file in files if f"/{REPLACEMENTS}/" in f"/{file}"]
        rest = [file for file in files if f"/{REPLACEMENTS}/" not in f"/{file}"]
        found = self.named(self._of_split(rest), clip_name)
        return self._replaced(found, self.named(stand_ins, clip_name))

    def _of_split(self, files: Sequence[str]) -> Sequence[str]:
        """Return the files below a folder named after the split; all if no folder is named so."""
        folders = [_split_of(file.rpartition("/")[0]) for file in files]
        called: dict[str, set[str]] = {}
        for split, folder in folders:
            called.setdefault(split, set()).add(folder)
        called.pop("", None)
        if not called:
            return files
        if self.split != "all" and self.split not in called:
            there = ", ".join(sorted(folder for group in called.values() for folder in group))
            raise DataError(
                f"data.split={self.split}: no such folder below data.root={self.root}, "
                f"which has {there}"
            )
        wanted = set(called) if self.split == "all" else {self.split}
        for split in sorted(wanted):
            if len(called[split]) > 1:
                raise DataError(
                    f"data.root={self.root} has several folders for {split}, "
                    f"{', '.join(sorted(called[split]))}: name one of them as data.root"
                )
        return [file for file, (split, _) in zip(files, folders, strict=True) if split in wanted]

    def _replaced(self, found: dict[str, Path], stand_ins: dict[str, Path]) -> dict[str, Path]:
        """Put replacements, which are clips of train, in the place of corrupted clips."""
        known = _ByVideo(found)
        replaced = dict(found)
        for name, path in stand_ins.items():
            corrupted = known.find(name)
            if corrupted or self.split in ("train", "all"):
                replaced[corrupted or name] = path
        return replaced

    def _of_paths(self, source: Path) -> dict[str, Path]:
        """Return the clips of a list of paths."""
        folders, folder = Folders(), self.folder()
        beside = Path(self.root).expanduser().absolute() == source
        listed = read_list(source, folders, source.parent if beside else folder)
        there = [path for path in map(str, listed) if folders.has(path)]
        missing = sorted(set(map(str, listed)) - set(there))
        check_missing(str(source), missing, len(listed), self.max_broken)
        found: dict[str, Path] = {}
        stand_ins: dict[str, Path] = {}
        for file in sorted(there):
            group = stand_ins if f"/{REPLACEMENTS}/" in file else found
            group.setdefault(clip_name(*folder_and_stem(file)), Path(file))
        known = _ByVideo({**found, **stand_ins})
        for inner in (folder / REPLACEMENTS, folder / "replacement" / REPLACEMENTS):
            if kind_of(inner) == "folder":
                unlisted = self.named(walk_below(folder, inner), clip_name)
                stand_ins |= {name: path for name, path in unlisted.items() if known.find(name)}
        known, merged = _ByVideo(found), dict(found)
        for name, path in stand_ins.items():
            merged[known.find(name) or name] = path
        return merged

    @override
    def classes_of(self, names: Sequence[str]) -> list[str | None]:
        """Return each clip's label in a list, or the class folder that it is in.

        Lists are the one that was given, or the set's csv files anywhere below the root.
        """
        files, source = self.files(), self._source()
        known = {
            clip_name(*folder_and_stem(file)): folder_and_stem(file)[0]
            for file in files
            if is_video(file) and _is_class(file)
        }
        tables = [self.folder() / file for file in files if file.endswith(".csv")]
        for path in filter(_is_table, tables) if source is None else [source]:
            known |= self._labels(path)
        by_video = _ByVideo(dict.fromkeys(known, Path()))
        clips = (clip_name(*folder_and_stem(name)) for name in names)
        return [known.get(by_video.find(clip) or clip) for clip in clips]

    def _labels(self, path: Path) -> dict[str, str]:
        """Return the labels in one of the set's csv files, or in a list of paths, by clip."""
        if _is_table(path):
            rows = _rows_of(path, lambda split: True)
            return {name: row["label"].strip() for name, row in rows if row.get("label")}
        beside = Path(self.root).expanduser().absolute() == path
        listed = read_labels(path, Folders(), path.parent if beside else self.folder())
        names = {file: clip_name(*folder_and_stem(str(file))) for file in listed}
        return {names[file]: label for file, label in listed.items() if label}

    def _rows(self, source: Path) -> list[str]:
        """Return the names of the split's clips in one of the set's csv files."""

        def wanted(split: str) -> bool:
            known = self.split in ("all", split or self.split)
            return known or bool(SPLIT_FOLDERS[self.split].fullmatch(split))

        return list(dict(_rows_of(source, wanted)))


def _is_table(path: Path) -> bool:
    """Return whether a list is one of the set's csv files."""
    return "youtube_id" in read_text(path).partition("\n")[0]


def _rows_of(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of one of the set's csv files whose split is wanted, each with its clip.

    Raises:
        DataError: when a row names no clip.
    """
    for number, row in enumerate(csv.DictReader(read_text(path).splitlines()), start=2):
        if not wanted((row.get("split") or "").strip()):
            continue
        try:
            start, end = (round(float(row[key])) for key in ("time_start", "time_end"))
            yield f"{row['youtube_id'].strip()}_{start:06d}_{end:06d}", row
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(
                f"{path}, line {number}: youtube_id, time_start and time_end are needed"
            ) from None


def _is_class(file: str) -> bool:
    """Return whether a file is in a folder that is none of a split or of replacements."""
    folder = folder_and_stem(file)[0]
    return bool(folder) and folder != REPLACEMENTS and not _split_of(folder)[0]


def walk_below(folder: Path, inner: Path) -> list[str]:
    """Return the files of an inner folder, relative to the outer one."""
    prefix = inner.relative_to(folder).as_posix()
    return [f"{prefix}/{name}" for name in walk(inner)]


def clip_name(folder: str, stem: str) -> str:
    """Return the clip in a file, ``{id}_{start:06d}_{end:06d}`` however the times are written."""
    parts = CLIP.fullmatch(stem)
    if not parts or parts["start"] is None:
        return stem
    return f"{parts['id']}_{int(parts['start']):06d}_{int(parts['end']):06d}"


@lru_cache(maxsize=1000)
def _split_of(folders: str) -> tuple[str, str]:
    """Return the split that one of a file's folders is named after, and that folder's name."""
    for part in folders.split("/"):
        for split, pattern in SPLIT_FOLDERS.items():
            if pattern.fullmatch(part):
                return split, part
    return "", ""


class _ByVideo:
    """Finds clips by name, also where one side has no times: a video has one clip at most."""

    def __init__(self, names: dict[str, Path]):
        self.names = names
        self.by_id = {name[:11]: name for name in sorted(names) if CLIP.fullmatch(name)}

    def find(self, name: str) -> str | None:
        """Return the name under which a clip is known, or None."""
        other = self.by_id.get(name[:11])
        if name in self.names:
            return name
        return other if other and 11 in (len(name), len(other)) else None
