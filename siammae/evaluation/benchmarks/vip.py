"""VIP: propagate the first frame's parts of people, score mIoU."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.evaluation.benchmarks.base import Benchmark, Rows
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.labels import first_alone, scored
from siammae.evaluation.files.vip import CLASSES, VIDEOS, VipFiles
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import class_rows, mean_iou

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


class Vip(Benchmark):
    """Part segmentation by label propagation: mIoU over 20 classes, background included.

    The IoU of a class is of all frames of all videos together; the mean is over classes that occur.
    Pixels whose true id is none of 0 to 19 do not count.

    Args:
        root: holds ``Images/``, ``lists/``, and ``Category_ids/`` or ``Annotations/Category_ids/``.
        propagation: the protocol; see `Propagation`.
        split: of the videos; published figures are of ``val``.
        count_first: the first frame, whose mask is given, counts as well, as in the published
            scripts.
        allow_missing: measure what is there of the listed videos, instead of refusing.
        workers: processes that score.
        name: in tables.
    """

    objective = "mIoU"
    units = ("video", "class")

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        split: str = "val",
        count_first: bool = True,
        allow_missing: bool = False,
        workers: int = 0,
        name: str = "vip",
    ):
        self.files = VipFiles(Path(root).expanduser(), split, allow_missing)
        self.propagation, self.count_first = propagation, count_first
        self.workers, self.name = workers, name
        self.official = VIDEOS.get(split)  # how many videos published figures are of

    def label_fingerprint(self) -> str:
        """A short hash of the videos' names, their masks' names and the masks' sizes."""
        digest = hashlib.sha256()
        for video in self.files.videos():
            for path in self.files.masks(video):
                digest.update(f"{video}/{path.name}\0{path.stat().st_size}\n".encode())
        return digest.hexdigest()[:10]

    def videos(self) -> list[str]:
        """The videos of the split."""
        return self.files.videos()

    def frames(self, video: str) -> list[Path]:
        """Those that have a mask."""
        return [frame for frame, _ in self.files.annotated(video)]

    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        """Predicted ids (T, H, W)."""
        from siammae.evaluation.propagation.sequence import propagate_ids

        first = self._first(video)
        maps = propagate_ids(self.propagation, features, self.frames(video), first)
        return np.stack(list(maps))

    def masks(self, predicted: np.ndarray) -> np.ndarray:
        """The prediction itself."""
        return predicted

    def control(self, video: str) -> np.ndarray:
        """The first mask, in every frame."""
        return first_alone(self._first(video), len(self.files.masks(video)))

    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Intersection, union and IoU of each class that occurs, in pixels."""
        truth, predicted = (
            np.stack([scored(self.propagation, ids) for ids in masks])
            for masks in (self.files.truth(video), predicted)
        )
        start = 0 if self.count_first else 1
        rows = class_rows(video, truth[start:], predicted[start:], CLASSES)
        return [{**row, "IoU": row["intersection"] / row["union"]} for row in rows]

    def total(self, rows: Rows) -> dict[str, float]:
        """The mean over classes."""
        return {"mIoU": mean_iou(rows)[0]}

    def settings(self) -> dict[str, Any]:
        """For captions."""
        return {
            "split": self.files.split,
            "official_videos": self.official,
            "count_first": self.count_first,
            **self.propagation.settings(),
        }

    def _first(self, video: str) -> np.ndarray:
        """The first mask; an id out of range is no part, and is carried on as background."""
        first = read_ids(self.files.masks(video)[0])
        return np.where(first < CLASSES, first, 0).astype(first.dtype)
