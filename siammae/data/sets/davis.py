"""DAVIS-2017's sequences as clips (Pont-Tuset et al., 2017)."""

from dataclasses import dataclass
from pathlib import Path

from siammae.data.sets.clip_lists import names_of, refuse_measured
from siammae.data.sets.sequences import ImageFolders
from siammae.system.errors import DataError

LAYOUT = (
    "a DAVIS root holds ImageSets/2017/train.txt and JPEGImages/480p/SEQUENCE/00000.jpg "
    "(Full-Resolution is another such folder)"
)


@dataclass
class Davis(ImageFolders):
    """The images of a split: 60 sequences in train, 30 in val, 24 images per second.

    The sequences of val are measured by ``benchmark=davis2017``, and 20 of them by
    ``benchmark=davis2016``, whose lists are parts of those of 2017. They are refused here unless
    ``allow_measured``. Sequences are not all 854x480, not even in 480p.

    root: folder with ``ImageSets/`` and ``JPEGImages/``, the ``DAVIS/`` of the official archives.
    split: train, val, trainval (both), or another list of ``ImageSets/2017``.
    resolution: ``480p`` or ``Full-Resolution``.
    allow_measured: whether to train on sequences that are measured.
    """

    root: str = "datasets/DAVIS"
    fps: float | None = 24
    split: str = "train"
    resolution: str = "480p"
    allow_measured: bool = False

    def videos(self) -> list[Path]:
        """Return the folders of the split's sequences in the lists' order; some may be missing.

        Raises:
            DataError: when the list, or the folder of the resolution, is missing.
            ConfigError: when sequences of it are measured.
        """
        lists = self.folder / "ImageSets" / "2017"
        parts = ["train", "val"] if self.split == "trainval" else [self.split]
        names = [name for part in parts for name in names_of(lists / f"{part}.txt", LAYOUT)]
        val = lists / "val.txt"
        measured = names_of(val, LAYOUT) if val.is_file() else []
        refuse_measured(self.split, names, measured, "davis2017", self.allow_measured)
        images = self.folder / "JPEGImages" / self.resolution
        if not images.is_dir():
            raise DataError(f"{images}: no such folder; {LAYOUT}")
        return [images / name for name in names]
