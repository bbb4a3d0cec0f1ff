"""VIP: propagate the first frame's parts of people, score mIoU."""

from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.vip import CLASSES, VIDEOS, VipFiles
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import MIOU, class_rows, mean_iou


class Vip(MaskBenchmark):
    """Measures part segmentation by label propagation: mIoU over 20 classes, background included.

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

    metrics = (MIOU,)
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
        super().__init__(propagation, workers)
        self.files = VipFiles(Path(root).expanduser(), split, allow_missing)
        self.count_first, self.name = count_first, name
        self.official = VIDEOS.get(split)  # how many videos published figures are of

    @override
    def videos(self) -> list[str]:
        return self.files.videos()

    @override
    def label_files(self, video: str) -> list[Path]:
        return self.files.masks(video)

    @override
    def frames(self, video: str) -> list[Path]:
        """Return the image files of the frames that have a mask."""
        return [frame for frame, _ in self.files.annotated(video)]

    @override
    def first(self, video: str) -> np.ndarray:
        """Read the first mask; an id out of range is no part, and is carried on as background."""
        first = read_ids(self.files.masks(video)[0])
        return np.where(first < CLASSES, first, 0).astype(first.dtype)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Count intersection, union and IoU of each class that occurs, in pixels."""
        truth, predicted = map(self._at_scored_size, (self.files.truth(video), predicted))
        start = 0 if self.count_first else 1
        rows = class_rows(video, truth[start:], predicted[start:], CLASSES)
        return [{**row, "IoU": row["intersection"] / row["union"]} for row in rows]

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        return {"mIoU": mean_iou(rows)[0]}

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "split": self.files.split,
            "official_videos": self.official,
            "count_first": self.count_first,
            **super().settings(),
        }
