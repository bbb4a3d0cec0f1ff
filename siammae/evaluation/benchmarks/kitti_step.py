"""KITTI-STEP: propagate the first frame's panoptic segments; mIoU of classes, J&F of tracks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from siammae.evaluation.benchmarks.base import Benchmark, Rows
from siammae.evaluation.files.kitti import INSTANCES, TRAIN, VAL, read_panoptic
from siammae.evaluation.files.labels import Pair, fingerprint, first_alone, folders, pairs, scored
from siammae.evaluation.files.listing import present, visible
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import class_rows, mean_iou
from siammae.evaluation.scores.tracks import Scene, track_rows, track_total

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

CLASSES, VOID = 19, 255
TRACKED = (11, 13)  # persons and cars
SEQUENCES = {"train": TRAIN, "val": VAL}
NOTE = (
    "no standard protocol: panoptic segments of each sequence's first frame are propagated "
    "together; what enters later cannot be right, coverage tells how many tracks do not"
)


class Segments(NamedTuple):
    """Panoptic ids (S,) of the first frame's segments, and their places in it (T, H, W)."""

    ids: np.ndarray
    numbers: np.ndarray


class KittiStep(Benchmark):
    """Segmenting and Tracking Every Pixel (Weber et al. 2021) by label propagation.

    The data set is made for tracking without a given frame (STQ). Here all segments of the first
    frame, classes and instances, are propagated as labels of one map, which is no standard
    protocol. From that map come mIoU of the 19 classes over the frames after the first, and J and
    F of the first frame's tracks. Tracks that enter later are not measured but counted, see
    `track_total`. Void pixels count for neither; nor do, for tracks, persons and cars without an
    instance.

    Args:
        root: holds ``images/SPLIT/SEQUENCE/000000.png`` and the same under ``panoptic_maps``.
        propagation: the protocol; see `Propagation`.
        split: train or val, whose sequences are known; of another all that have maps are taken.
        allow_missing: measure what is there of the split's sequences, instead of refusing.
        workers: processes that score.
    """

    name = "kitti_step"
    objective = "mIoU"
    units = ("video", "object")

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        split: str = "val",
        allow_missing: bool = False,
        workers: int = 0,
    ):
        self.root, self.split, self.allow_missing = Path(root).expanduser(), split, allow_missing
        self.propagation, self.workers = propagation, workers

    @property
    def maps(self) -> Path:
        """The folder of the split's sequences."""
        return self.root / "panoptic_maps" / self.split

    def label_fingerprint(self) -> str:
        """Of the maps' names and sizes."""
        maps = (self.maps / video for video in self.videos())
        return fingerprint(self.root, (path for m in maps for path in visible(m, "*.png")))

    def videos(self) -> list[str]:
        """The split's sequences.

        Raises:
            DataError: when one lacks maps or frames.
        """
        layout = "SEQUENCE/000000.png, KITTI-STEP's panoptic maps"
        found, images = folders(self.maps, layout), self.root / "images" / self.split
        return present(
            SEQUENCES.get(self.split, found),
            lambda name: name in found and (images / name).is_dir(),
            self.allow_missing,
            f"{images} or {self.maps} lacks",
            f"sequences of {self.split}",
            f"they should hold {layout}, and its frames",
        )

    def frames(self, video: str) -> list[Path]:
        """Image files of a video, in order."""
        return [pair.frame for pair in self._pairs(video)]

    def predict(self, video: str, features: "FeatureExtractor") -> Segments:
        """Predicted segments."""
        from siammae.evaluation.propagation.sequence import propagate_ids

        first = number(read_panoptic(self._pairs(video)[0].labels))
        maps = propagate_ids(self.propagation, features, self.frames(video), first.numbers)
        return Segments(first.ids, np.stack(list(maps)))

    def masks(self, predicted: Segments) -> np.ndarray:
        """Panoptic ids, of 32 bits."""
        return predicted.ids[predicted.numbers].astype(np.uint32)

    def control(self, video: str) -> Segments:
        """The first frame's segments, in every frame."""
        files = self._pairs(video)
        first = number(read_panoptic(files[0].labels))
        return Segments(first.ids, first_alone(first.numbers, len(files)))

    def score(self, video: str, predicted: Segments) -> Rows:
        """A row for each class, named by its number, and for each track, ``CLASS/INSTANCE``."""
        pixels: dict[str, Counter[int]] = {"intersection": Counter(), "union": Counter()}
        followed = track_rows(video, self._scenes(video, predicted, pixels))
        classes = [
            {
                "video": video,
                "object": str(label),
                "class": label,
                **{key: counted[label] for key, counted in pixels.items()},
            }
            for label in sorted(pixels["union"])
        ]
        for row in followed:
            label, instance = divmod(row["object"], INSTANCES)
            row |= {"object": f"{label}/{instance}", "class": label}
        return [*classes, *followed]

    def total(self, rows: Rows) -> dict[str, float]:
        """mIoU over classes; J and F over the tracks of first frames, and coverages."""
        figures = {"mIoU": mean_iou(row for row in rows if "union" in row)[0]}
        if any(row.get("covered") for row in rows):
            figures |= track_total(rows)
        return figures

    def settings(self) -> dict[str, Any]:
        """For captions."""
        return {
            "note": NOTE,
            "split": self.split,
            "official_videos": len(SEQUENCES[self.split]) if self.split in SEQUENCES else None,
            **self.propagation.settings(),
        }

    def _pairs(self, video: str) -> list[Pair]:
        return pairs(self.root / "images" / self.split / video, self.maps / video)

    def _scenes(
        self, video: str, predicted: Segments, pixels: dict[str, Counter[int]]
    ) -> Iterator[Scene]:
        """The frames for the tracks; on the way, intersections and unions of classes are counted.

        One pass, because a sequence's true maps are too many to be held and slow to be read twice.
        """
        for t, (pair, numbers) in enumerate(
            zip(self._pairs(video), predicted.numbers, strict=True)
        ):
            truth = scored(self.propagation, read_panoptic(pair.labels))
            guess = predicted.ids[scored(self.propagation, numbers)]
            classes = truth >> 16
            if t > 0:
                for row in class_rows(video, classes, guess >> 16, CLASSES):
                    for key, counted in pixels.items():
                        counted[row["class"]] += row[key]
            instanceless = np.isin(truth, [label * INSTANCES for label in TRACKED])
            yield Scene(tracks(truth), tracks(guess), (classes == VOID) | instanceless)


def tracks(ids: np.ndarray) -> dict[int, np.ndarray]:
    """A mask (H, W) bool of each person or car that is told apart, by its panoptic id."""
    found = [int(i) for i in np.unique(ids) if i % INSTANCES and i // INSTANCES in TRACKED]
    return {i: ids == i for i in found}


def number(ids: np.ndarray) -> Segments:
    """Panoptic ids (H, W), which need 32 bits, as segments."""
    known, numbers = np.unique(ids, return_inverse=True)
    return Segments(known, numbers.reshape(ids.shape).astype(np.min_scalar_type(len(known))))
