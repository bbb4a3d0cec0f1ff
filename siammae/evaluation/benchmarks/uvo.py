"""UVO dense: propagate the first frame's objects of any class, score J&F and what that covers."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.labels import scored
from siammae.evaluation.files.listing import present
from siammae.evaluation.files.uvo import UvoVideo, read_uvo
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.tracks import OF_TRACKS, Scene, track_rows, track_total
from siammae.system.errors import DataError

VIDEOS = {"train": 503, "val": 256}
NOTE = (
    "no standard protocol: objects of the first frame are propagated; coverage is how much of "
    "the benchmark they are"
)


class Uvo(MaskBenchmark):
    """Propagates the objects of UVO (Unidentified Video Objects, Wang et al. 2021), of any class.

    The data set is made for detection (AR, AP). Here the first frame's masks are propagated and
    scored with DAVIS's formulas, which is no standard protocol; objects that enter later are not
    measured but counted, see `track_total`. True masks may overlap, one map of labels cannot: in
    the first frame the largest object is painted first and smaller ones over it. The scores are
    taken on the whole masks; pixels of crowds do not count.

    Args:
        root: holds ``VideoDenseSet/UVO_video_SPLIT_dense.json`` and
            ``uvo_videos_dense_frames/YTID/K.png``.
        propagation: the protocol; see `Propagation`.
        split: train or val.
        allow_missing: measure what is there of the annotated clips, instead of refusing.
        workers: processes that score.
    """

    name = "uvo"
    metrics = OF_TRACKS
    objective = "J&F-Mean"

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        split: str = "val",
        allow_missing: bool = False,
        workers: int = 0,
    ):
        super().__init__(propagation, workers)
        self.root, self.split, self.allow_missing = Path(root).expanduser(), split, allow_missing

    @property
    def annotations(self) -> Path:
        """The file of the split's annotations."""
        return self.root / "VideoDenseSet" / f"UVO_video_{self.split}_dense.json"

    @property
    def _frames(self) -> Path:
        return self.root / "uvo_videos_dense_frames"

    @override
    def label_fingerprint(self) -> str:
        """Return a short hash of the annotations."""
        return hashlib.sha256(self.annotations.read_bytes()).hexdigest()[:10]

    @override
    def videos(self) -> list[str]:
        """Return YouTube ids, in the annotations' order.

        Raises:
            DataError: when the annotations cannot be read, or a clip has no folder of frames.
        """
        clips, layout = read_uvo(self.annotations), "YTID/0.png, YTID/1.png, ..."
        if not self._frames.is_dir():
            raise DataError(f"{self._frames}: no such folder; it should hold {layout}")
        return present(
            list(clips),
            lambda clip: all(folder.is_dir() for folder in self._folders(clips[clip])),
            self.allow_missing,
            f"{self._frames} lacks frames of",
            "annotated clips",
            f"it should hold {layout}",
        )

    @override
    def label_files(self, video: str) -> list[Path]:
        return [self.annotations]

    @override
    def frames(self, video: str) -> list[Path]:
        return [self._frames / name for name in self._video(video).frames]

    @override
    def first(self, video: str) -> np.ndarray:
        """Return object numbers, 0 for none."""
        return paint(self._video(video))

    @override
    def masks(self, predicted: np.ndarray) -> np.ndarray:
        return predicted.astype(np.uint8 if predicted.max() < 256 else np.uint16)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return a row for each object."""
        return track_rows(video, self._scenes(self._video(video), predicted))

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        return track_total(rows)

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "note": NOTE,
            "split": self.split,
            "official_videos": VIDEOS.get(self.split),
            **super().settings(),
        }

    def _folders(self, clip: UvoVideo) -> set[Path]:
        return {(self._frames / name).parent for name in clip.frames}

    def _video(self, video: str) -> UvoVideo:
        found = read_uvo(self.annotations)[video]
        if found.problem:
            raise DataError(f"{self.annotations}: {found.problem}")
        return found

    def _scenes(self, files: UvoVideo, predicted: np.ndarray) -> Iterator[Scene]:
        for t, numbers in enumerate(predicted):
            masks, crowd = files.masks(t), files.crowd(t)
            truth = {number: scored(self.propagation, mask) for number, mask in masks.items()}
            crowd = crowd if crowd is None else scored(self.propagation, crowd)
            numbers = scored(self.propagation, numbers)
            guess = {int(number): numbers == number for number in np.unique(numbers) if number}
            yield Scene(truth, guess, crowd)


def paint(files: UvoVideo) -> np.ndarray:
    """Paint the first frame's objects as one map (H, W) of numbers, smaller ones on top."""
    masks = files.masks(0)
    numbers = np.zeros(files.shape, dtype=np.uint16)
    for number in sorted(masks, key=lambda number: (-int(masks[number].sum()), number)):
        numbers[masks[number]] = number
    return numbers
