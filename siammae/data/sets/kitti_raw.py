"""KITTI's raw recordings as clips (Geiger et al., 2013)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from typing_extensions import override

from siammae.data.reading.clip import Clip
from siammae.data.reading.clips import SmallerClip
from siammae.data.reading.image_folder import ImageClip
from siammae.data.sets.sequences import FolderClips, ImageFolders
from siammae.system.errors import DataError

KINDS = ("sync", "extract")
DRIVE = r"\d{4}_\d{2}_\d{2}_drive_\d{4}"
LAYOUT = (
    "a root of KITTI's raw data holds 2011_09_26/2011_09_26_drive_0001_sync/image_02/data/"
    "0000000000.png"
)


class TimedClips(FolderClips):
    """Clips whose frame rate follows from ``timestamps.txt`` beside the folder of images."""

    @override
    def open(self, clip: int) -> Clip:
        folder = self.paths[clip]
        timed = ImageClip(folder, rate_of(folder.parent / "timestamps.txt"))
        return SmallerClip(timed, self.short_side)


@dataclass
class KittiRaw(ImageFolders):
    """Drives through Karlsruhe at 10 images per second; each camera of a drive is a clip.

    At 10 Hz the paper's 4 to 48 frames are up to 4.8 s of driving. Gaps in seconds
    (``frame_gap_unit=seconds``) mean the same as elsewhere. The sequences of ``kitti_step``,
    ``kitti_mots`` and ``kitti_flow`` were cut out of these drives. A run that is measured there
    needs their drives in ``exclude``; the devkits of those sets name them.

    root: folder with ``DATE/DATE_drive_NNNN_KIND/image_0C/data/*.png``, or the drives without the
        dates.
    cameras: 0 and 1 are grey, 2 and 3 colour, the left one first.
    kind: ``sync`` (rectified) or ``extract`` (as recorded). Both hold the same drives.
    exclude: drives that are left out, such as ``2011_09_26_drive_0001``.
    fps: images per second; None takes the median rate of each clip's ``timestamps.txt``.
    """

    root: str = "datasets/kitti_raw"
    fps: float | None = 10
    cameras: Sequence[int] = (2, 3)
    kind: str = "sync"
    exclude: Sequence[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind}: must be one of {', '.join(KINDS)}")
        if not self.cameras or any(camera not in (0, 1, 2, 3) for camera in self.cameras):
            raise ValueError(f"cameras={list(self.cameras)}: some of 0, 1, 2 and 3 are needed")
        for name in self.exclude:
            if not re.fullmatch(DRIVE, str(name)):
                raise ValueError(f"exclude: '{name}' is no drive, such as 2011_09_26_drive_0001")

    def videos(self) -> list[Path]:
        """Return the folders of images, by drive and camera.

        Raises:
            DataError: when there is none.
        """
        root, drives = self.folder, {}
        for path in [*root.glob(f"*_drive_*_{self.kind}"), *root.glob(f"*/*_drive_*_{self.kind}")]:
            name = path.name.removesuffix(f"_{self.kind}")
            if re.fullmatch(DRIVE, name) and path.is_dir() and name not in set(self.exclude):
                drives[path] = [path / f"image_{c:02d}" / "data" for c in sorted(set(self.cameras))]
        found = [folder for path in sorted(drives) for folder in drives[path] if folder.is_dir()]
        if not found:
            cameras = ", ".join(str(camera) for camera in self.cameras)
            raise DataError(
                f"data.root={self.root} holds no images of kind={self.kind} and cameras {cameras}"
                f"{f' outside the {len(self.exclude)} drives of exclude' if self.exclude else ''}; "
                f"{LAYOUT}"
            )
        return found

    @override
    def clips_at(self, paths: Sequence[Path]) -> FolderClips:
        kind = TimedClips if self.fps is None else FolderClips
        return kind(paths, self.short_side, self.fps)


def rate_of(path: Path) -> float | None:
    """Return the images per second by their times; None where there are no times.

    Raises:
        DataError: when a line is no time, or they do not ascend.
    """
    if not path.is_file():
        return None
    try:
        times = np.array(path.read_text().split("\n"), dtype=str)
        times = times[np.char.str_len(np.char.strip(times)) > 0].astype("datetime64[ns]")
    except ValueError as error:
        raise DataError(f"{path} holds what is no time: {error}") from None
    between = np.diff(times).astype(np.int64)
    if len(between) == 0:
        return None
    if np.median(between) <= 0:
        raise DataError(f"{path}: its times do not ascend")
    return float(1e9 / np.median(between))
