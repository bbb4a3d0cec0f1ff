"""The layout of KITTI-MOTS: frames, and instances as 16-bit PNGs or as text with run lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siammae.data.reading.checked_image import opened
from siammae.data.sets.clip_lists import read_text
from siammae.evaluation.files.kitti import read_instances
from siammae.evaluation.files.labels import numbered, pairs
from siammae.evaluation.files.listing import present, visible
from siammae.evaluation.files.rle import decode_mask
from siammae.system.errors import DataError

LARGEST = 1 << 16  # ids are below
FORM = "FRAME ID CLASS HEIGHT WIDTH RLE, ID being CLASS * 1000 + INSTANCE"
LAYOUT = (
    "a KITTI-MOTS root holds instances/SEQUENCE/000000.png or instances_txt/SEQUENCE.txt, and the "
    "frames of KITTI tracking"
)


class Coded(NamedTuple):
    """An instance in a frame, with the run-length code of its mask."""

    id: int
    rle: dict[str, object]


@dataclass(frozen=True)
class MotsFiles:
    """Where the sequences lie.

    The data set gives the same instances twice: as ``instances/SEQUENCE/000000.png``, and as
    ``instances_txt/SEQUENCE.txt`` (the official tools also take ``instances/SEQUENCE.txt``). PNGs
    are read where they are, or else the text.

    root: holds ``instances/`` or ``instances_txt/``, and the frames.
    images: folder of the frames, ``SEQUENCE/000000.png``, under the root.
    listed: the sequences; None takes all that have instances.
    allow_missing: leave out listed sequences that are not there, instead of refusing.
    """

    root: Path
    images: str
    listed: Sequence[str] | None = None
    allow_missing: bool = False

    def sequences(self) -> list[str]:
        """Return names in the list's order.

        Raises:
            DataError: when there are no instances at all, or a listed sequence lacks instances or
                frames.
        """
        found = {p.name for p in visible(self.root, "instances/*") if p.is_dir()}
        found |= {p.stem for p in visible(self.root, "instances/*.txt")}
        found |= {p.stem for p in visible(self.root, "instances_txt/*.txt")}
        if not found:
            raise DataError(f"{self.root} holds no instances; {LAYOUT}")
        return present(
            sorted(found) if self.listed is None else self.listed,
            lambda name: name in found and (self.root / self.images / name).is_dir(),
            self.allow_missing,
            f"{self.root} lacks instances, or frames in {self.images}, of",
            "sequences",
            LAYOUT,
        )

    def labels(self, sequence: str) -> list[Path]:
        """Return the files with a sequence's instances: its PNGs, in order, or its text."""
        folder, text = self.root / "instances" / sequence, self._text(sequence)
        return [text] if text else list(numbered(folder).values())

    def frames(self, sequence: str) -> list[Path]:
        """Return the image files of a sequence, in the order of their numbers.

        Raises:
            DataError: when fewer than two are there, or frames and instances do not belong
                together.
        """
        folder, text = self.root / self.images / sequence, self._text(sequence)
        if text is None:
            return [pair.frame for pair in pairs(folder, self.root / "instances" / sequence)]
        images = numbered(folder)
        if len(images) < 2:
            raise DataError(f"{folder} holds {len(images)} frame(s); a video needs two")
        return list(images.values())

    def instances(self, sequence: str) -> Iterator[np.ndarray]:
        """Read ids (H, W) int32 of each frame: class * 1000 + instance, 0 background.

        10000 marks pixels to be ignored.

        Raises:
            DataError: when a file cannot be read, or is of another form.
        """
        text = self._text(sequence)
        if text is None:
            yield from map(read_instances, self.labels(sequence))
        else:
            frames = {int(path.stem): path for path in self.frames(sequence)}
            coded = read_coded(text)
            if strange := sorted(coded.keys() - frames.keys()):
                raise DataError(f"{text} has a frame {strange[0]}, the images have none")
            for number, image in frames.items():
                yield _paint(f"{text}: frame {number}", coded.get(number, []), image)

    def _text(self, sequence: str) -> Path | None:
        """Return the text file of a sequence that has no PNGs."""
        if (self.root / "instances" / sequence).is_dir():
            return None
        places = (self.root / name / f"{sequence}.txt" for name in ("instances", "instances_txt"))
        return next((path for path in places if path.is_file()), None)


def read_coded(path: Path) -> dict[int, list[Coded]]:
    """Read instances by the number of their frame; frames without any are left out.

    Raises:
        DataError: when the file cannot be read or a line has another form.
    """
    lines = read_text(path).splitlines()
    frames: dict[int, list[Coded]] = {}
    for place, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            frame, number, label, height, width = map(int, words[:5])
            (code,) = words[5:]
        except ValueError:
            raise DataError(f"{path}, line {place}: '{line[:40]}' is not {FORM}") from None
        if number // 1000 != label or not 0 < number < LARGEST:
            raise DataError(
                f"{path}, line {place}: id {number} is not of class {label}, or not of 16 bits; a "
                f"line is {FORM}"
            )
        coded = Coded(number, {"size": [height, width], "counts": code})
        frames.setdefault(frame, []).append(coded)
    return frames


def _paint(where: str, coded: list[Coded], image: Path) -> np.ndarray:
    """Return one frame's ids (H, W) int32; as large as its image when it has no instance."""
    if not coded:
        with opened(image) as frame:
            return np.zeros(frame.size[::-1], np.int32)
    ids: np.ndarray | None = None
    for number, rle in coded:
        try:
            mask = decode_mask(rle)
        except DataError as error:
            raise DataError(f"{where}, id {number}: {error}") from None
        ids = np.zeros(mask.shape, np.int32) if ids is None else ids
        if mask.shape != ids.shape:
            raise DataError(f"{where} has masks of {ids.shape} and {mask.shape} (H, W)")
        if ids[mask].any():
            raise DataError(f"{where}: id {number} overlaps with another; a pixel has one id")
        ids[mask] = number
    assert ids is not None
    return ids
