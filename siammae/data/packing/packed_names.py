"""What packed clips are called: as in their source, without the place where its files lay."""

import os
from collections import defaultdict
from pathlib import Path

from siammae.data.reading.clips import Clips


def common_folders(clips: Clips) -> dict[str, str]:
    """The folder that all paths begin with, by the name of the mixture's part; "" without one."""
    folders: dict[str, list[str]] = defaultdict(list)
    for clip in range(len(clips)):
        part, path = _split(clips.name(clip))
        if Path(path).is_absolute():
            folders[part].append(str(Path(path).parent))
    return {part: os.path.commonpath(found) for part, found in folders.items()}


def short_name(name: str, folders: dict[str, str]) -> str:
    """A name without the folder of its part."""
    part, path = _split(name)
    if not Path(path).is_absolute() or part not in folders:
        return name
    inner = Path(path).relative_to(folders[part]).as_posix()
    return f"{part}: {inner}" if part else inner


def _split(name: str) -> tuple[str, str]:
    """``NAME: PATH``, as a mixture says, in two."""
    part, colon, path = name.partition(": ")
    if name.startswith("/") or not colon or not path.startswith("/"):
        return "", name
    return part, path
