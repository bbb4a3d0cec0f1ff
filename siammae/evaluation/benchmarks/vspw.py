"""VSPW: propagate the first frame's classes; mIoU and video consistency."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.labels import scored, stack
from siammae.evaluation.files.vspw import VspwFiles
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import MIOU, class_rows, mean_iou
from siammae.evaluation.scores.consistency import script_consistency, video_consistency
from siammae.system.errors import DataError

CLASSES = 125  # 124, and 0 for others
OTHERS, VOID = 0, 255
WINDOWS = {"VC8": 8, "VC16": 16}
CONSISTENCIES = tuple(
    Metric(name, "more", SHARE, over_videos=OverVideos(weight=f"{name}-windows"))
    for name in [*WINDOWS, *(f"{name}-script" for name in WINDOWS)]
)
VIDEOS = {"train": 2806, "val": 343, "test": 387}
NOTE = (
    "no standard protocol: classes are propagated from the first frame, so classes that enter "
    "later cannot be right"
)


class Vspw(MaskBenchmark):
    """Propagates the semantic classes of VSPW (Miao et al. 2021) from the first frame.

    The data set is made for segmentation without a given frame; as a propagation task it has no
    standard protocol, and a class that enters later cannot be right. Figures compare encoders
    with each other, not with published ones. 0 ("others") and 255 (void) do not count; the first
    frame, which is given, does not either. ``VC8`` and ``VC16`` follow the paper's text,
    ``VC8-script`` and ``VC16-script`` the data set's script; see `consistency`.

    Args:
        root: ``VSPW_480p``, with ``data/VIDEO/{origin,mask}/00000123.{jpg,png}`` and ``SPLIT.txt``.
        propagation: the protocol; see `Propagation`.
        split: name of the list of videos.
        allow_missing: measure what is there of the listed videos, instead of refusing.
        workers: processes that score.
    """

    name = "vspw"
    metrics = (MIOU, *CONSISTENCIES)
    objective = "mIoU"
    units = ("video", "class")

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        split: str = "val",
        allow_missing: bool = False,
        workers: int = 0,
    ):
        super().__init__(propagation, workers)
        self.files = VspwFiles(Path(root).expanduser(), split, allow_missing)

    @override
    def videos(self) -> list[str]:
        return self.files.videos()

    @override
    def label_files(self, video: str) -> list[Path]:
        return self.files.masks(video)

    @override
    def frames(self, video: str) -> list[Path]:
        return [frame for frame, _ in self._pairs(video)]

    @override
    def first(self, video: str) -> np.ndarray:
        """Read the first mask's classes; void counts as others."""
        first = read_ids(self._pairs(video)[0][1])
        return np.where(first == VOID, OTHERS, first).astype(np.uint8)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return a row for each class, and one, of class ``all``, for the video's consistency."""
        truth = stack(video, self._truth(video))
        predicted = self._at_scored_size(predicted[1:])
        rows = class_rows(video, truth, predicted, CLASSES, ignore={OTHERS})
        whole: dict[str, Any] = {"video": video, "class": "all"}
        for name, frames in WINDOWS.items():
            paper = video_consistency(truth, predicted, frames, {OTHERS, VOID})
            script = script_consistency(truth, predicted, frames)
            for key, shares in ((name, paper), (f"{name}-script", script)):
                if len(shares):
                    whole |= {key: float(shares.mean()), f"{key}-windows": len(shares)}
        return [*rows, whole]

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Return mIoU over classes; consistencies over the windows of all videos.

        A consistency is left out when no video is long enough.
        """
        figures = {"mIoU": mean_iou(row for row in rows if row["class"] != "all")[0]}
        for key in map(str, CONSISTENCIES):
            measured = [(row[key], row[f"{key}-windows"]) for row in rows if key in row]
            if measured:
                values, windows = zip(*measured, strict=True)
                figures[key] = float(np.average(values, weights=windows))
        return figures

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "note": NOTE,
            "split": self.files.split,
            "official_videos": VIDEOS.get(self.files.split),
            **super().settings(),
        }

    def _pairs(self, video: str) -> list[tuple[Path, Path]]:
        files = self.files.annotated(video)
        if len(files) < 2:
            raise DataError(f"{video} has one annotated frame; after the first none is left")
        return files

    def _truth(self, video: str) -> Iterator[np.ndarray]:
        """Yield true ids of the frames after the first."""
        for _, mask in self._pairs(video)[1:]:
            yield scored(self.propagation, read_ids(mask))
