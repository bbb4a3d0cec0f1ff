"""Frames and label images that belong together, found by the numbers in their names."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siammae.evaluation.files.listing import visible
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError


class Pair(NamedTuple):
    """The image files of a frame and of its labels."""

    frame: Path
    labels: Path


def pairs(frames: Path, labels: Path) -> list[Pair]:
    """Pair frames (.jpg or .png) and labels (.png) of a video, in the order of their numbers.

    Numbers may have gaps and need no leading zeros.

    Raises:
        DataError: when a folder is missing, fewer than two frames are there, or a frame or its
            labels are.
    """
    images, masks = (numbered(folder) for folder in (frames, labels))
    if unpaired := sorted(images.keys() ^ masks.keys()):
        number = unpaired[0]
        there, lacking = (frames, labels) if number in images else (labels, frames)
        raise DataError(f"{there} has a frame {number}, {lacking} has none")
    if len(images) < 2:
        raise DataError(f"{frames} holds {len(images)} frame(s); a video needs two")
    return [Pair(images[number], masks[number]) for number in images]


def numbered(folder: Path) -> dict[int, Path]:
    """Return images of a folder by the numbers that are their names, in that order.

    Raises:
        DataError: when there is no such folder, or a name is no number.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    images = [path for path in visible(folder, "*") if path.suffix in (".jpg", ".png")]
    if strange := sorted(path.name for path in images if not path.stem.isdecimal()):
        raise DataError(f"{folder / strange[0]}: frames are named by numbers, such as 000012.png")
    return {int(path.stem): path for path in sorted(images, key=lambda path: int(path.stem))}


def folders(parent: Path, layout: str) -> list[str]:
    """Return the names of the folders in a folder, sorted.

    Args:
        parent: the folder.
        layout: what it should hold, for the error.

    Raises:
        DataError: when it is missing or holds none.
    """
    names = [path.name for path in visible(parent, "*") if path.is_dir()]
    if not names:
        problem = "holds no folder" if parent.is_dir() else "no such folder"
        raise DataError(f"{parent}: {problem}; it should hold {layout}")
    return names


def scored(propagation: Propagation, ids: np.ndarray) -> np.ndarray:
    """Resize ids, or a mask, (H, W) to where the protocol scores, by nearest neighbour."""
    if propagation.score_at == "own":
        return ids
    import cv2

    size: Sequence[int] = propagation.input_size  # type: ignore[assignment]
    plain = ids.astype(np.uint8) if ids.dtype == bool else ids
    resized = cv2.resize(plain, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    return resized.astype(ids.dtype)


def first_alone(first: np.ndarray, frames: int) -> np.ndarray:
    """Repeat the first frame's labels (H, W) in every frame (T, H, W): the control of masks."""
    return np.broadcast_to(first, (frames, *first.shape))


def stack(video: str, maps: Iterable[np.ndarray]) -> np.ndarray:
    """Stack labels (T, H, W) of a video's frames.

    Raises:
        DataError: when they differ in size.
    """
    labels = list(maps)
    if len({ids.shape for ids in labels}) != 1:
        raise DataError(f"{video}: its true masks differ in size")
    return np.stack(labels)
