"""VSPW: propagate the first frame's classes; mIoU and video consistency."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.evaluation.benchmarks.base import Benchmark, Rows
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.labels import fingerprint, first_alone, scored, stack
from siammae.evaluation.files.vspw import VspwFiles
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import class_rows, mean_iou
from siammae.evaluation.scores.consistency import script_consistency, video_consistency
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

CLASSES = 125  # 124, and 0 for others
OTHERS, VOID = 0, 255
WINDOWS = {"VC8": 8, "VC16": 16}
VIDEOS = {"train": 2806, "val": 343, "test": 387}
NOTE = (
    "no standard protocol: classes are propagated from the first frame, so classes that enter "
    "later cannot be right"
)


class Vspw(Benchmark):
    """Semantic classes (VSPW, Miao et al. 2021) of the first frame, carried through each video.

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
        self.files = VspwFiles(Path(root).expanduser(), split, allow_missing)
        self.propagation, self.workers = propagation, workers

    def label_fingerprint(self) -> str:
        """Of the masks' names and sizes."""
        masks = (path for video in self.videos() for path in self.files.masks(video))
        return fingerprint(self.files.root, masks)

    def videos(self) -> list[str]:
        """The videos of the split's list."""
        return self.files.videos()

    def frames(self, video: str) -> list[Path]:
        """Image files of a video, in order."""
        return [frame for frame, _ in self._pairs(video)]

    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        """Predicted ids (T, H, W); void of the first frame counts as others."""
        from siammae.evaluation.propagation.sequence import propagate_ids

        files = self._pairs(video)
        maps = propagate_ids(self.propagation, features, self.frames(video), self._first(files))
        return np.stack(list(maps))

    def masks(self, predicted: np.ndarray) -> np.ndarray:
        """The prediction itself."""
        return predicted

    def control(self, video: str) -> np.ndarray:
        """The first frame's classes, in every frame."""
        files = self._pairs(video)
        return first_alone(self._first(files), len(files))

    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """A row for each class, and one, of class ``all``, for the video's consistency."""
        truth = stack(video, self._truth(video))
        predicted = np.stack([scored(self.propagation, ids) for ids in predicted[1:]])
        rows = class_rows(video, truth, predicted, CLASSES, ignore={OTHERS})
        whole: dict[str, Any] = {"video": video, "class": "all"}
        for name, frames in WINDOWS.items():
            paper = video_consistency(truth, predicted, frames, {OTHERS, VOID})
            script = script_consistency(truth, predicted, frames)
            for key, shares in ((name, paper), (f"{name}-script", script)):
                if len(shares):
                    whole |= {key: float(shares.mean()), f"{key}-windows": len(shares)}
        return [*rows, whole]

    def total(self, rows: Rows) -> dict[str, float]:
        """mIoU over classes; consistencies over the windows of all videos.

        A consistency is left out when no video is long enough.
        """
        figures = {"mIoU": mean_iou(row for row in rows if row["class"] != "all")[0]}
        for key in [*WINDOWS, *(f"{name}-script" for name in WINDOWS)]:
            measured = [(row[key], row[f"{key}-windows"]) for row in rows if key in row]
            if measured:
                values, windows = zip(*measured, strict=True)
                figures[key] = float(np.average(values, weights=windows))
        return figures

    def settings(self) -> dict[str, Any]:
        """For captions."""
        return {
            "note": NOTE,
            "split": self.files.split,
            "official_videos": VIDEOS.get(self.files.split),
            **self.propagation.settings(),
        }

    def _pairs(self, video: str) -> list[tuple[Path, Path]]:
        files = self.files.annotated(video)
        if len(files) < 2:
            raise DataError(f"{video} has one annotated frame; after the first none is left")
        return files

    def _first(self, files: list[tuple[Path, Path]]) -> np.ndarray:
        first = read_ids(files[0][1])
        return np.where(first == VOID, OTHERS, first).astype(np.uint8)

    def _truth(self, video: str) -> Iterator[np.ndarray]:
        """True ids of the frames after the first."""
        for _, mask in self._pairs(video)[1:]:
            yield scored(self.propagation, read_ids(mask))
