"""VSPW's videos as clips (Miao et al., 2021)."""

from dataclasses import dataclass
from pathlib import Path

from siammae.data.sets.clip_lists import names_of, refuse_measured
from siammae.data.sets.sequences import ImageFolders
from siammae.system.errors import DataError

LAYOUT = "a VSPW root holds train.txt with a video a line and data/VIDEO/origin/00000001.jpg"


@dataclass
class Vspw(ImageFolders):
    """The images of a split, 15 per second; about 2,800 of the 3,536 videos are train.

    Images are numbered by the frames of the videos that they were taken from at 15 per second, so
    gaps in the numbers do not count. One copy of the set has empty images (video 988_f_Xvy_DCPt8);
    `ImageClip` says what is left of such a video.

    The videos of val are measured by ``benchmark=vspw``; they are refused here unless
    ``allow_measured``.

    root: folder with ``data/`` and the lists, of the 480p copy or the full one.
    split: train, val or test.
    allow_measured: whether to train on videos that are measured.
    """

    root: str = "datasets/VSPW_480p"
    fps: float | None = 15
    split: str = "train"
    allow_measured: bool = False

    def videos(self) -> list[Path]:
        """Return the folders of the split's videos in the list's order; some may be missing.

        Raises:
            DataError: when the list or ``data/`` is missing.
            ConfigError: when videos of it are measured.
        """
        names = names_of(self.folder / f"{self.split}.txt", LAYOUT)
        val = self.folder / "val.txt"
        measured = names_of(val, LAYOUT) if val.is_file() else []
        refuse_measured(self.split, names, measured, "vspw", self.allow_measured)
        data = self.folder / "data"
        if not data.is_dir():
            raise DataError(f"{data}: no such folder; {LAYOUT}")
        return [data / name / "origin" for name in names]
