"""DAVIS 2016 and 2017: propagate the first frame's masks, score J&F."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.evaluation.benchmarks.base import Benchmark, Rows
from siammae.evaluation.benchmarks.turning_videos import check_rotation, turn_frame, turn_ids
from siammae.evaluation.files.davis import SEQUENCES, VOID, DavisFiles
from siammae.evaluation.files.labels import first_alone, scored
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.propagation.sequence import Reader


class Davis(Benchmark):
    """Semi-supervised video object segmentation by label propagation, at the masks' own size.

    Args:
        root: holds ``JPEGImages/``, ``Annotations/`` and ``ImageSets/``.
        propagation: the protocol; see `Propagation`.
        year: 2016 or 2017.
        split: of the sequences.
        resolution: folder of frames and masks.
        allow_missing: measure what is there of the listed sequences, instead of refusing.
        workers: processes that score.
        name: in tables.
        rotation: degrees a frame by which frames and true masks turn, counter-clockwise; see
            `turning`. Predicted masks that are kept or drawn are those of the turning frames.
    """

    objective = "J&F-Mean"
    units = ("sequence", "object")

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        year: int = 2017,
        split: str = "val",
        resolution: str = "480p",
        allow_missing: bool = False,
        workers: int = 0,
        name: str | None = None,
        rotation: float = 0.0,
    ):
        if year not in (2016, 2017):
            raise ValueError(f"year {year} is neither 2016 nor 2017")
        self.files = DavisFiles(Path(root).expanduser(), year, split, resolution, allow_missing)
        self.propagation, self.workers = propagation, workers
        self.rotation = check_rotation(rotation)
        self.name = name or f"davis{year}"
        self.official = SEQUENCES.get((year, split))  # how many sequences published figures are of

    def label_fingerprint(self) -> str:
        """Of the masks' names and sizes."""
        digest = hashlib.sha256()
        for sequence in self.files.sequences():
            for path in self.files.masks(sequence):
                digest.update(f"{sequence}/{path.name}\0{path.stat().st_size}\n".encode())
        return digest.hexdigest()[:10]

    def videos(self) -> list[str]:
        """The sequences of the split."""
        return self.files.sequences()

    def frames(self, video: str) -> list[Path]:
        """Of a sequence."""
        return self.files.frames(video)

    def reader(self, video: str) -> "Reader | None":
        """A frame's pixels, turned as far as it is from the first."""
        if not self.rotation:
            return None
        from siammae.evaluation.propagation.sequence import read_frame

        degrees = {path: t * self.rotation for t, path in enumerate(self.frames(video))}
        return lambda path: turn_frame(read_frame(path), degrees[path])

    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        """Predicted ids (T, H, W)."""
        from siammae.evaluation.propagation.sequence import propagate_ids

        frames = [frame for frame, _ in self.files.pairs(video)]
        first, read = self._first(video), self.reader(video)
        return np.stack(list(propagate_ids(self.propagation, features, frames, first, read)))

    def masks(self, predicted: np.ndarray) -> np.ndarray:
        """The prediction itself."""
        return predicted

    def control(self, video: str) -> np.ndarray:
        """The first mask, in every frame."""
        return first_alone(self._first(video), len(self.files.masks(video)))

    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """J and F of each object."""
        from siammae.evaluation.scores.davis import score_sequence

        truth, predicted = (
            np.stack([scored(self.propagation, ids) for ids in masks])
            for masks in (self._truth(video), predicted)
        )
        return score_sequence(video, truth, predicted)

    def total(self, rows: Rows) -> dict[str, float]:
        """Means over objects."""
        from siammae.evaluation.scores.davis import total

        return total(rows)

    def settings(self) -> dict[str, Any]:
        """For captions."""
        return {
            "year": self.files.year,
            "split": self.files.split,
            "resolution": self.files.resolution,
            "official_sequences": self.official,
            "rotation": self.rotation,
            **self.propagation.settings(),
        }

    def _first(self, video: str) -> np.ndarray:
        first = self.files.read_mask(self.files.masks(video)[0])
        return np.where(first == VOID, 0, first)

    def _truth(self, video: str) -> np.ndarray:
        masks = [self.files.read_mask(path) for path in self.files.masks(video)]
        if len({mask.shape for mask in masks}) != 1:
            raise DataError(f"{video}: its true masks differ in size")
        return np.stack([turn_ids(mask, t * self.rotation) for t, mask in enumerate(masks)])
