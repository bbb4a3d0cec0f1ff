"""KITTI-MOTS: propagate the first frame's cars and pedestrians, score J&F and what that covers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.kitti import VAL
from siammae.evaluation.files.kitti_mots import MotsFiles
from siammae.evaluation.files.labels import scored
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.tracks import OF_TRACKS, Scene, track_rows, track_total

IGNORED = 10000  # persons and cars that were not annotated one by one
NOTE = (
    "no standard protocol: tracks of each sequence's first frame are propagated together; coverage "
    "is how many of all tracks they are"
)


class KittiMots(MaskBenchmark):
    """Propagates the tracks of KITTI-MOTS (Voigtlaender et al. 2019).

    The data set is made for tracking what a detector finds (HOTA, sMOTSA). Here the tracks of the
    first frame are propagated together and scored with DAVIS's formulas, which is no standard
    protocol; tracks that enter later are not measured but counted, see `track_total`. Pixels to
    ignore (id 10000) count in no mask. Sequences have up to 1,059 frames and most tracks leave
    early: ``J&F-Visible`` is of the frames where they are.

    Args:
        root: holds ``instances/SEQUENCE/000000.png``, 16-bit, or ``instances_txt/SEQUENCE.txt``,
            and the ``images``.
        propagation: the protocol; see `Propagation`.
        images: folder of the tracking benchmark's frames, ``SEQUENCE/000000.png``, under the root.
        sequences: their numbers; None takes all that have instances. The default is the usual val
            set.
        allow_missing: measure what is there of the sequences, instead of refusing.
        workers: processes that score.
    """

    name = "kitti_mots"
    metrics = OF_TRACKS
    objective = "J&F-Mean"

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        images: str = "training/image_02",
        sequences: Sequence[str | int] | None = VAL,
        allow_missing: bool = False,
        workers: int = 0,
    ):
        super().__init__(propagation, workers)
        listed = None if sequences is None else [f"{int(name):04d}" for name in sequences]
        self.files = MotsFiles(Path(root).expanduser(), images, listed, allow_missing)

    @override
    def videos(self) -> list[str]:
        """Return the sequences.

        Raises:
            DataError: when one that was asked for is missing.
        """
        return self.files.sequences()

    @override
    def label_files(self, video: str) -> list[Path]:
        return list(self.files.labels(video))

    @override
    def frames(self, video: str) -> list[Path]:
        return self.files.frames(video)

    @override
    def first(self, video: str) -> np.ndarray:
        self.files.frames(video)  # a sequence without any is named
        first = next(self.files.instances(video))
        return np.where(first == IGNORED, 0, first).astype(np.uint16)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return a row for each track."""
        return track_rows(video, self._scenes(video, predicted))

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        return track_total(rows)

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "note": NOTE,
            "official_videos": len(VAL) if self.files.listed == list(VAL) else None,
            **super().settings(),
        }

    def _scenes(self, video: str, predicted: np.ndarray) -> Iterator[Scene]:
        for ids, guess in zip(self.files.instances(video), predicted, strict=True):
            truth, guess = scored(self.propagation, ids), scored(self.propagation, guess)
            yield Scene(masks_of(truth), masks_of(guess), truth == IGNORED)


def masks_of(ids: np.ndarray) -> dict[int, np.ndarray]:
    """Return a mask (H, W) bool of each track in a map of ids."""
    return {int(i): ids == i for i in np.unique(ids) if i not in (0, IGNORED)}
