"""The layout of DAVIS: frames, palette masks and lists of sequences."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siammae.config.suggestions import nearest
from siammae.data.reading.checked_image import opened
from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.listing import in_order, names_in, pair, present, visible
from siammae.system.errors import DataError

VOID = 255
LAYOUT = (
    "a DAVIS root holds Annotations/480p/SEQUENCE/00000.png (and JPEGImages/, ImageSets/); "
    "Full-Resolution is another such folder"
)
USE_2016 = "; for DAVIS 2016 use --year 2016 (siammae.evaluate: benchmark=davis2016)"
SEQUENCES = {(2016, "train"): 30, (2016, "val"): 20, (2017, "train"): 60, (2017, "val"): 30}


@dataclass(frozen=True)
class DavisFiles:
    """Where the files of one split lie.

    root: holds ``Annotations/`` and, for evaluation, ``JPEGImages/`` and ``ImageSets/``.
    year: 2016 (one object, masks 0 and 255) or 2017 (palette masks, an id for each object).
    split: name of the list in ``ImageSets/<year>/``.
    resolution: ``480p`` or ``Full-Resolution``.
    allow_missing: leave out listed sequences that are not there, instead of refusing.
    allow_gaps: score only the ids that true masks have, where these are not 1 to n, instead of
        refusing. The official tool counts each id up to the largest; one that is nowhere has 1.
    only: names of the sequences to measure; None: all of the split.
    """

    root: Path
    year: int = 2017
    split: str = "val"
    resolution: str = "480p"
    allow_missing: bool = False
    allow_gaps: bool = False
    only: tuple[str, ...] | None = None

    def sequences(self) -> list[str]:
        """Return names in the list's order; in a root without a list, all folders that hold masks.

        Raises:
            DataError: when there is no such folder, there are lists but not this one, the list
                is empty or has a name twice, a listed sequence has no masks, or one of ``only`` is
                not among them.
        """
        names = self._of_split()
        if self.only is None:
            return names
        unknown = [name for name in self.only if name not in names]
        if unknown:
            raise DataError(
                f"sequences: {self.root} has no {unknown[0]} in the split {self.split}"
                f"{nearest(unknown[0], names)}; there are: {', '.join(names)}"
            )
        return [name for name in names if name in self.only]

    def _of_split(self) -> list[str]:
        annotations = self.root / "Annotations" / self.resolution
        if not annotations.is_dir():
            raise DataError(
                f"{annotations}: no such folder; a DAVIS root holds Annotations/{self.resolution}/"
                "SEQUENCE/00000.png (and JPEGImages/, ImageSets/)"
            )
        found = [path.name for path in visible(annotations, "*") if visible(path, "*.png")]
        listed = self._listed()
        if not listed and not found:
            raise DataError(f"{annotations} holds no sequence of .png masks")
        if not listed:
            return found
        return present(
            listed,
            set(found).__contains__,
            self.allow_missing,
            f"{annotations} lacks",
            f"sequences of ImageSets/{self.year}/{self.split}.txt",
            LAYOUT,
            "allow_missing=true (siammae.score: --allow-missing)",
        )

    def _listed(self) -> list[str]:
        sets = self.root / "ImageSets"
        path = sets / str(self.year) / f"{self.split}.txt"
        if path.is_file():
            return names_in(path, read_text(path).split(), "sequence")
        path = sets / self.resolution / f"{self.split}.txt"  # 2016's own archive: image mask pairs
        if path.is_file():
            lines = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
            names = list(dict.fromkeys(Path(line).parent.name for line in lines))
            return names_in(path, names, "sequence")
        others = visible(sets, "*/*.txt")
        if others:  # the folders may be of all splits, and a typo would measure them
            near = [other.stem for other in others if other.parent.name == str(self.year)]
            there = [f"{other.parent.name}/{other.stem}" for other in others]
            older = self.year == 2017 and f"2016/{self.split}" in there
            raise DataError(
                f"{sets}/{self.year} has no list {self.split}.txt{nearest(self.split, near)}; "
                f"there are: {', '.join(there)}{USE_2016 if older else ''}"
            )
        return []

    def frames(self, sequence: str) -> list[Path]:
        """Return the JPEG frames of a sequence, in order.

        Raises:
            DataError: when there are fewer than two.
        """
        folder = self.root / "JPEGImages" / self.resolution / sequence
        frames = in_order(visible(folder, "*.jpg"))
        if len(frames) < 2:
            raise DataError(f"{folder} holds {len(frames)} .jpg frame(s); a sequence needs two")
        return frames

    def masks(self, sequence: str) -> list[Path]:
        """Return the files of the true masks of a sequence, in order."""
        return in_order(visible(self.root / "Annotations" / self.resolution / sequence, "*.png"))

    def pairs(self, sequence: str) -> list[tuple[Path, Path]]:
        """Return the files of frame and mask of each time, by name, in order.

        Raises:
            DataError: when there are fewer than two frames, only the first mask, as in DAVIS's
                test splits, or a frame or a mask has no partner.
        """
        frames, masks = self.frames(sequence), self.masks(sequence)
        if len(masks) == 1:
            raise DataError(f"{sequence} has {len(frames)} frames but 1 masks")
        return pair(frames, masks, (frames[0].parent, masks[0].parent))

    def objects(self, sequence: str) -> list[int]:
        """Return the ids that are scored: those up to the largest in the first true mask.

        Raises:
            DataError: when some of them are in no true mask, unless ``allow_gaps`` leaves these
                out. Such masks hold grey levels or numbers of another kind, and no ids.
        """
        paths = self.masks(sequence)
        first = self._ids(paths[0])
        expected = range(1, max(first, default=0) + 1)
        lacking = set(expected) - first
        for path in paths[1:]:
            if not lacking:
                break
            lacking -= self._ids(path)
        if lacking and not self.allow_gaps:
            values = ", ".join(map(str, sorted(first)))
            raise DataError(
                f"{paths[0]} holds the values {values}; object ids are 1 to n, and "
                f"{len(lacking)} of those up to {max(first)} are in no mask of {sequence}. With "
                "allow_gaps=true (siammae.score: --allow-gaps) only ids that exist are scored"
            )
        return [number for number in expected if number not in lacking]

    def _ids(self, path: Path) -> set[int]:
        """Return the object ids in a mask."""
        return set(np.unique(self.read_mask(path)).tolist()) - {0, VOID}

    def check_year(self) -> None:
        """Check that masks of 2016 were not taken for those of 2017, where 255 is void.

        Raises:
            DataError: when the first mask is grey and has nothing but 0 and 255.
        """
        path = next((path for name in self.sequences() for path in self.masks(name)), None)
        if self.year == 2017 and path is not None:
            ids, palette = _read(path)
            if not palette and set(np.unique(ids).tolist()) == {0, VOID}:
                raise DataError(f"{path} holds 0 and 255 alone, as the masks of 2016{USE_2016}")

    def read_mask(self, path: Path) -> np.ndarray:
        """Read object ids (H, W) uint8 of a mask; of 2016, 1 where there is any object."""
        ids, palette = _read(path)
        if self.year == 2017:
            return ids
        numbered = (ids > 0) & (ids != VOID)
        if palette and numbered.any():  # a mask of 2017, whose 255 is void and no object
            return numbered.astype(np.uint8)
        return (ids > (127 if ids.max() > 127 else 0)).astype(np.uint8)  # 0 and 255, or 0 and 1


def read_ids(path: Path) -> np.ndarray:
    """Read ids (H, W) uint8 of a palette or grey PNG, as they stand in the file.

    Raises:
        DataError: when it is no PNG, is damaged, or has colours instead of ids.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[np.ndarray, bool]:
    """Read the ids of `read_ids`, and whether the file has a palette."""
    with opened(path, is_png=True) as image:
        if image.mode not in ("P", "L", "1"):
            raise DataError(
                f"{path} has mode {image.mode}: a mask is a palette (P) or grey (L) PNG whose "
                "values are object ids; an RGB copy has lost them"
            )
        ids, palette = np.asarray(image), image.mode == "P"
    return ids.astype(np.uint8), palette
