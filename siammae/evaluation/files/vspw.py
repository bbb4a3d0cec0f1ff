"""The layout of VSPW: frames, class masks and the list of videos."""

from dataclasses import dataclass
from pathlib import Path

from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.listing import in_order, names_in, present, visible
from siammae.system.errors import DataError

LAYOUT = (
    "a VSPW root holds data/VIDEO/origin/*.jpg, data/VIDEO/mask/*.png and val.txt with a video a "
    "line"
)


@dataclass(frozen=True)
class VspwFiles:
    """Where the videos of one split lie.

    root: holds ``data/`` and ``<split>.txt``.
    split: name of the list.
    allow_missing: leave out listed videos that are not there, instead of refusing.
    """

    root: Path
    split: str = "val"
    allow_missing: bool = False

    def videos(self) -> list[str]:
        """Return names in the list's order.

        Raises:
            DataError: when there is no list, or a listed video has no folder of frames or masks.
        """
        path = self.root / f"{self.split}.txt"
        if not path.is_file():
            raise DataError(f"{path}: no such list; {LAYOUT}")
        names = names_in(path, read_text(path).split(), "video")
        data = self.root / "data"
        return present(
            names,
            lambda name: all((data / name / kind).is_dir() for kind in ("origin", "mask")),
            self.allow_missing,
            f"{data} lacks frames or masks of",
            "listed videos",
            LAYOUT,
        )

    def masks(self, video: str) -> list[Path]:
        """Return the files of a video's class masks, in the order of their numbers."""
        return in_order(visible(self.root / "data" / video / "mask", "*.png"))

    def annotated(self, video: str) -> list[tuple[Path, Path]]:
        """Return the files of frame and mask of each annotated frame, by number; there are gaps.

        Raises:
            DataError: when a mask has no frame, or there is none.
        """
        folder = self.root / "data" / video
        pairs = []
        for mask in self.masks(video):
            frame = folder / "origin" / f"{mask.stem}.jpg"
            if not frame.is_file():
                raise DataError(f"{mask} has no frame {frame}")
            pairs.append((frame, mask))
        if not pairs:
            raise DataError(f"{folder / 'mask'} holds no mask .png; {LAYOUT}")
        return pairs
