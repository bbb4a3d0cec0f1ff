"""What lies where in a pack's folder, what members and clips are called, and positioned reads."""

import os
import re
from collections import defaultdict
from pathlib import Path

from siammae.data.reading.clips import Clips

SETTINGS = "pack.json"  # the settings of the pack, and which clips go into which shard
INDEX = "index.arrow"
BROKEN = "broken.json"  # clips that are left out, with the reason
WORK = ".packing"  # folder of shards under way, indices of finished ones and the lock
SHARD = re.compile(r"shard-(\d{6,})\.tar")
MEMBER = re.compile(r"(\d{9,})\.(?:(\d{6,})\.jpg|json)")


def shard_name(shard: int) -> str:
    """Return the name of a shard's file."""
    return f"shard-{shard:06d}.tar"


def frame_name(clip: int, frame: int) -> str:
    """Return the name of the member that holds a frame.

    WebDataset takes what precedes the first dot for the key of a sample and the rest for the name
    of a field, so that all frames of a clip are fields of one sample.

    Args:
        clip: number of the clip in the source that was packed.
        frame: number of the frame in the video.
    """
    return f"{clip:09d}.{frame:06d}.jpg"


def json_name(clip: int) -> str:
    """Return the name of the member that describes a clip, the last one of its sample."""
    return f"{clip:09d}.json"


def shards(folder: Path) -> dict[int, Path]:
    """Return the finished shards of a folder by number."""
    found = {}
    for path in folder.iterdir():
        match = SHARD.fullmatch(path.name)
        if match:
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def pread(file: int, size: int, offset: int) -> bytes:
    """Return ``size`` bytes at ``offset``, fewer at the end of the file."""
    data = os.pread(file, size, offset)
    while 0 < len(data) < size:  # one call gives 2 GB at most, and less on some file systems
        more = os.pread(file, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def common_folders(clips: Clips) -> dict[str, str]:
    """Return the folder that all paths begin with, by part of a mixture; "" names no part.

    Packed clips are called as in their source, without this folder.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    for clip in range(len(clips)):
        part, path = _split(clips.name(clip))
        if Path(path).is_absolute():
            folders[part].add(str(Path(path).parent))
    return {part: os.path.commonpath(found) for part, found in folders.items()}


def short_name(name: str, folders: dict[str, str]) -> str:
    """Return a clip's name without the folder of its part; see `common_folders`."""
    part, path = _split(name)
    if not Path(path).is_absolute() or part not in folders:
        return name
    inner = Path(path).relative_to(folders[part]).as_posix()
    return f"{part}: {inner}" if part else inner


def _split(name: str) -> tuple[str, str]:
    """Split a mixture's ``PART: PATH`` into part and path."""
    part, colon, path = name.partition(": ")
    if name.startswith("/") or not colon or not path.startswith("/"):
        return "", name
    return part, path
