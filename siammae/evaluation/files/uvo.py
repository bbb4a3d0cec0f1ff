"""The annotations of UVO's dense videos: YouTube-VIS's JSON with COCO run lengths."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from siammae.evaluation.files.rle import decode_mask
from siammae.system.errors import DataError


@dataclass
class UvoVideo:
    """The annotations of a video.

    shape: height and width.
    frames: files, relative to the folder of frames.
    objects: for each object its run-length code in each frame, None where it is not visible.
    crowds: the same of what is marked as a crowd of objects.
    """

    shape: tuple[int, int]
    frames: list[str]
    objects: list[list[Any]] = field(default_factory=list)
    crowds: list[list[Any]] = field(default_factory=list)

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
        DataError: when the file is missing or not of this form.
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
        content = json.loads(path.read_text())
        videos: dict[str, UvoVideo] = {}
        names: dict[int, str] = {}
        for entry in content["videos"]:
            name = entry["ytid"]
            name = f"{name}-{entry['id']}" if name in videos else name
            names[entry["id"]] = name
            files = entry["file_names"]
            files = [file if "/" in file else f"{entry['ytid']}/{file}" for file in files]
            videos[name] = UvoVideo((entry["height"], entry["width"]), files)
        for entry in content["annotations"]:
            video = videos[names[entry["video_id"]]]
            codes = entry["segmentations"]
            if len(codes) != len(video.frames):
                raise DataError(
                    f"{path}: an object of {names[entry['video_id']]} has {len(codes)} masks, its "
                    f"video {len(video.frames)} frames"
                )
            (video.crowds if entry.get("iscrowd") else video.objects).append(codes)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not in YouTube-VIS's form ({type(error).__name__}: {error}); it needs "
            "videos with id, ytid, height, width and file_names, and annotations with video_id "
            "and segmentations"
        ) from None
    return videos
