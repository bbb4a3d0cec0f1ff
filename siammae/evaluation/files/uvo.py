"""The annotations of UVO's dense videos: YouTube-VIS's JSON with COCO run lengths."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.rle import decode_mask
from siammae.system.errors import DataError
from siammae.system.foreign_json import read_value
from siammae.system.foreign_text import refusal

FORM = (
    "UVO's dense annotations have videos with id, ytid, height, width and file_names, and "
    "annotations with video_id and segmentations"
)


@dataclass
class UvoVideo:
    """The annotations of a video.

    shape: height and width.
    frames: files, relative to the folder of frames.
    objects: for each object its run-length code in each frame, None where it is not visible.
    crowds: the same of what is marked as a crowd of objects.
    problem: why it cannot be used; empty when it can.
    """

    shape: tuple[int, int]
    frames: list[str]
    objects: list[list[Any]] = field(default_factory=list)
    crowds: list[list[Any]] = field(default_factory=list)
    problem: str = ""

    def masks(self, t: int) -> dict[int, np.ndarray]:
        """Decode masks (H, W) bool of the objects visible in frame ``t``, by their number from 1.

        Raises:
            DataError: when one cannot be decoded, or is of another size than the video.
        """
        codes = ((number, codes[t]) for number, codes in enumerate(self.objects, start=1))
        return {number: self._decode(code) for number, code in codes if code is not None}

    def crowd(self, t: int) -> np.ndarray | None:
        """Decode the mask (H, W) bool of all crowds in frame ``t``; None when there is none."""
        masks = [self._decode(codes[t]) for codes in self.crowds if codes[t] is not None]
        return np.logical_or.reduce(masks) if masks else None

    def _decode(self, code: Any) -> np.ndarray:
        mask = decode_mask(code)
        if mask.shape != self.shape:
            folder = Path(self.frames[0]).parent
            raise DataError(f"{folder}: a mask is {mask.shape}, the video {self.shape} (H, W)")
        return mask


def read_uvo(path: Path) -> dict[str, UvoVideo]:
    """Read the videos of an annotation file by their YouTube id, in the file's order.

    A second clip of one YouTube video is named with the video's number in the file.

    Raises:
        DataError: when the file is missing or not of this form. A video that is not, or has an
            object that is not, is kept with its `UvoVideo.problem`.
    """
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


@lru_cache(
    maxsize=1
)  # a benchmark is sent to its workers for each video, without the file's content
def _read(path: Path, changed: int, size: int) -> dict[str, UvoVideo]:
    try:
        content = read_value(read_text(path))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    entries, annotations = (_list_of(path, content, key) for key in ("videos", "annotations"))
    videos: dict[str, UvoVideo] = {}
    by_id: dict[int, UvoVideo] = {}
    for place, entry in enumerate(entries):
        name, video = _video(entry, place)
        number = entry.get("id")
        name = f"{name}-{number}" if name in videos else name
        if name in videos or (type(number) is int and number in by_id):
            raise DataError(f"{path}: two of its videos have the id {number!r}; {FORM}")
        videos[name] = video
        if type(number) is int:
            by_id[number] = video
    for place, entry in enumerate(annotations):
        number = entry.get("video_id")
        if type(number) is not int or number not in by_id:
            raise DataError(
                f"{path}: annotations[{place}] has the video_id {number!r}, of none of its videos; "
                f"{FORM}"
            )
        _add(by_id[number], entry, place)
    return videos


def _list_of(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path} is not in YouTube-VIS's form: no list of {key}; {FORM}")
    return entries


def _video(entry: dict[str, Any], place: int) -> tuple[str, UvoVideo]:
    """Return a video's name and what it says of itself; or what is wrong with it."""
    name, files = entry.get("ytid"), entry.get("file_names")
    shape = entry.get("height"), entry.get("width")
    if not isinstance(name, str) or not name or refusal(name):
        name, wrong = f"videos[{place}]", "ytid"
    elif type(entry.get("id")) is not int:
        wrong = "id"
    elif any(type(side) is not int or side < 1 for side in shape):
        wrong = "height or width"
    elif not _are_files(files):
        wrong = "file_names"
    else:
        frames = [file if "/" in file else f"{name}/{file}" for file in files or []]
        return name, UvoVideo(shape, frames)  # type: ignore[arg-type]
    return name, UvoVideo((0, 0), [], problem=f"videos[{place}] has no {wrong} of the right kind")


def _are_files(files: Any) -> bool:
    if not isinstance(files, list) or not files:
        return False
    return all(isinstance(file, str) and file and not refusal(file) for file in files)


def _add(video: UvoVideo, entry: dict[str, Any], place: int) -> None:
    """Add an object to its video, or what is wrong with it."""
    codes = entry.get("segmentations")
    if not isinstance(codes, list) or len(codes) != len(video.frames):
        number = len(codes) if isinstance(codes, list) else "no"
        video.problem = video.problem or (
            f"annotations[{place}] has {number} masks, its video {len(video.frames)} frames"
        )
        return
    (video.crowds if entry.get("iscrowd") else video.objects).append(codes)
