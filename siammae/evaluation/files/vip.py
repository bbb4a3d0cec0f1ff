"""The layout of VIP (Video Instance-level Parsing): frames, part masks and the list of videos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siammae.data.built_in.label_names import PARTS
from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.listing import names_in, present, visible
from siammae.system.errors import DataError

CLASSES = len(PARTS)
VIDEOS = {"val": 50}
LAYOUT = (
    "a VIP root holds Images/videosN/*.jpg, Category_ids/videosN/*.png (as in the downloads also "
    "under Annotations/) and lists/val_videos.txt or lists/val_id.txt"
)


@dataclass(frozen=True)
class VipFiles:
    """Where the videos of one split lie, in either of the published layouts.

    root: holds ``Images/``, ``lists/``, and ``Category_ids/`` or ``Annotations/Category_ids/``.
    split: ``lists/<split>_videos.txt`` has a video a line, ``lists/<split>_id.txt`` a frame.
    allow_missing: leave out listed videos that are not there, instead of refusing.
    """

    root: Path
    split: str = "val"
    allow_missing: bool = False

    @property
    def categories(self) -> Path:
        """The folder of part masks.

        Raises:
            DataError: when there is none.
        """
        for folder in (self.root / "Annotations" / "Category_ids", self.root / "Category_ids"):
            if folder.is_dir():
                return folder
        raise DataError(f"{self.root} holds no Category_ids/; {LAYOUT}")

    def videos(self) -> list[str]:
        """Return names in the list's order.

        Raises:
            DataError: when there is no list or no such folder, or a listed video lacks frames or
                masks.
        """
        categories, images = self.categories, self.root / "Images"
        return present(
            self._listed(),
            lambda video: (categories / video).is_dir() and (images / video).is_dir(),
            self.allow_missing,
            f"{images} or {categories} lacks",
            "listed videos",
            LAYOUT,
        )

    def _listed(self) -> list[str]:
        for name in (f"{self.split}_videos.txt", f"{self.split}_id.txt"):
            path = self.root / "lists" / name
            if path.is_file():
                lines = read_text(path).splitlines()  # of a name, or of paths to one video's files
                videos = [
                    name for line in lines for name in dict.fromkeys(map(_video, line.split()))
                ]
                if name.endswith("_id.txt"):  # a line a frame
                    videos = list(dict.fromkeys(videos))
                return names_in(path, videos, "video")
        raise DataError(f"{self.root / 'lists'} holds no {self.split}_videos.txt; {LAYOUT}")

    def annotated(self, video: str) -> list[tuple[Path, Path]]:
        """Return the files of frame and mask of each annotated frame, in order of their numbers.

        Numbers have gaps. A frame without a mask is not annotated, and is left out.

        Raises:
            DataError: when a mask has no frame, or fewer than two frames have one.
        """
        folder = self.root / "Images" / video
        frames = {int(p.stem): p for p in visible(folder, "*.jpg") if p.stem.isdecimal()}
        masks = [p for p in visible(self.categories / video, "*.png") if p.stem.isdecimal()]
        for mask in masks:
            if int(mask.stem) not in frames:
                raise DataError(f"{mask} has no frame {folder / mask.stem}.jpg")
        if len(masks) < 2:
            raise DataError(
                f"{self.categories / video} holds {len(masks)} mask(s) .png; a video needs two"
            )
        masks.sort(key=lambda path: int(path.stem))
        return [(frames[int(mask.stem)], mask) for mask in masks]

    def masks(self, video: str) -> list[Path]:
        """Return the files of the part masks, in order."""
        return [mask for _, mask in self.annotated(video)]

    def truth(self, video: str) -> np.ndarray:
        """Read true ids (T, H, W) uint8 as they stand in the files.

        Raises:
            DataError: when a mask cannot be read, has colours instead of ids, or differs in size.
        """
        masks = [read_ids(path) for path in self.masks(video)]
        if len({mask.shape for mask in masks}) != 1:
            raise DataError(f"{video}: its true masks differ in size")
        return np.stack(masks)


def _video(word: str) -> str:
    """Return ``videosN`` of ``videosN``, ``videosN/000000000001``, or a path to either."""
    parts = Path(word).parts
    named = [part for part in parts if part.startswith("videos")]
    return named[-1] if named else parts[-1]
