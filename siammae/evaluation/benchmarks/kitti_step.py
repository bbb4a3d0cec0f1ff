"""KITTI-STEP: propagate the first frame's panoptic segments; mIoU of classes, J&F of tracks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.kitti import INSTANCES, TRAIN, VAL, read_panoptic
from siammae.evaluation.files.labels import Pair, folders, pairs, scored
from siammae.evaluation.files.listing import present, visible
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.classes import MIOU, class_rows, mean_iou
from siammae.evaluation.scores.tracks import OF_TRACKS, Scene, track_rows, track_total

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

CLASSES, VOID = 19, 255
TRACKED = (11, 13)  # persons and cars
SEQUENCES = {"train": TRAIN, "val": VAL}
NOTE = (
    "no standard protocol: panoptic segments of each sequence's first frame are propagated "
    "together; what enters later cannot be right, coverage is the share of tracks that do not"
)


class Segments(NamedTuple):
    """The panoptic ids (S,) of a first frame's segments, and where they are: indices (T, H, W)."""

    ids: np.ndarray
    numbers: np.ndarray


class KittiStep(MaskBenchmark):
    """Propagates the segments of KITTI-STEP (Weber et al. 2021).

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
    metrics = (MIOU, *OF_TRACKS)
    objective = "mIoU"

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
    def maps(self) -> Path:
        """The folder of the split's sequences."""
        return self.root / "panoptic_maps" / self.split

    @override
    def label_files(self, video: str) -> list[Path]:
        return visible(self.maps / video, "*.png")

    @override
    def videos(self) -> list[str]:
        """Return the split's sequences.

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

    @override
    def frames(self, video: str) -> list[Path]:
        return [pair.frame for pair in self._pairs(video)]

    @override
    def first(self, video: str) -> np.ndarray:
        """Return the indices (H, W) of the first frame's segments; see `Segments`."""
        return self._first(video).numbers

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> Segments:
        return Segments(self._first(video).ids, super().predict(video, features))

    @override
    def control(self, video: str) -> Segments:
        return Segments(self._first(video).ids, super().control(video))

    @override
    def masks(self, predicted: Segments) -> np.ndarray:
        """Return panoptic ids, of 32 bits."""
        return predicted.ids[predicted.numbers].astype(np.uint32)

    @override
    def score(self, video: str, predicted: Segments) -> Rows:
        """Return a row for each class, named by its number, and each track, ``CLASS/INSTANCE``."""
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

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Return mIoU over classes; J and F over the tracks of first frames, and coverages."""
        figures = {"mIoU": mean_iou(row for row in rows if "union" in row)[0]}
        if any(row.get("covered") for row in rows):
            figures |= track_total(rows)
        return figures

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "note": NOTE,
            "split": self.split,
            "official_videos": len(SEQUENCES[self.split]) if self.split in SEQUENCES else None,
            **super().settings(),
        }

    def _first(self, video: str) -> Segments:
        return number(read_panoptic(self._pairs(video)[0].labels))

    def _pairs(self, video: str) -> list[Pair]:
        return pairs(self.root / "images" / self.split / video, self.maps / video)

    def _scenes(
        self, video: str, predicted: Segments, pixels: dict[str, Counter[int]]
    ) -> Iterator[Scene]:
        """Yield the frames for the tracks, counting intersections and unions of classes on the way.

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
    """Return a mask (H, W) bool of each person or car that has an instance, by its panoptic id."""
    found = [int(i) for i in np.unique(ids) if i % INSTANCES and i // INSTANCES in TRACKED]
    return {i: ids == i for i in found}


def number(ids: np.ndarray) -> Segments:
    """Number the segments of panoptic ids (H, W), which need 32 bits."""
    known, numbers = np.unique(ids, return_inverse=True)
    return Segments(known, numbers.reshape(ids.shape).astype(np.min_scalar_type(len(known))))
