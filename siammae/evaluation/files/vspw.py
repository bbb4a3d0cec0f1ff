"""The layout of VSPW: frames, class masks and the list of videos."""

from dataclasses import dataclass
from pathlib import Path

from siammae.config.errors import DataError

LAYOUT = (
    "a VSPW root holds data/VIDEO/origin/*.jpg, data/VIDEO/mask/*.png and val.txt with a video a "
    "line"
)


@dataclass(frozen=True)
class VspwFiles:
    """Where the videos of one split lie.

    root: holds ``data/`` and ``<split>.txt``.
    split: name of the list.
    """

    root: Path
    split: str = "val"

    def videos(self) -> list[str]:
        """Names in the list's order.

        Raises:
            DataError: when there is no list, or a listed video has no folder of masks.
        """
        path = self.root / f"{self.split}.txt"
        if not path.is_file():
            raise DataError(f"{path}: no such list; {LAYOUT}")
        names = path.read_text().split()
        if not names:
            raise DataError(f"{path} lists no video")
        missing = [name for name in names if not (self.root / "data" / name / "mask").is_dir()]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise DataError(
                f"{self.root / 'data'} lacks {len(missing)} of {len(names)} listed videos: "
                f"{', '.join(missing[:5])}{more}; {LAYOUT}"
            )
        return names

    def annotated(self, video: str) -> list[tuple[Path, Path]]:
        """Frame and mask of each annotated frame, in the order of their numbers, which have gaps.

        Raises:
            DataError: when a mask has no frame, or there is none.
        """
        folder = self.root / "data" / video
        pairs = []
        for mask in sorted((folder / "mask").glob("*.png")):
            frame = folder / "origin" / f"{mask.stem}.jpg"
            if not frame.is_file():
                raise DataError(f"{mask} has no frame {frame}")
            pairs.append((frame, mask))
        if not pairs:
            raise DataError(f"{folder / 'mask'} holds no mask .png; {LAYOUT}")
        return pairs
