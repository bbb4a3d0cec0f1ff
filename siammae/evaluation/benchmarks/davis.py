"""DAVIS 2016 and 2017: propagate the first frame's masks, score J&F; also on turning videos."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.davis import SEQUENCES, VOID, DavisFiles
from siammae.evaluation.files.labels import stack
from siammae.evaluation.measuring.benchmark import Rows
from siammae.evaluation.measuring.mask_benchmark import MaskBenchmark
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.davis import J_AND_F, score_sequence, total

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.propagation.sequence import Reader


class Davis(MaskBenchmark):
    """Measures video object segmentation by label propagation, at the masks' own size.

    Args:
        root: holds ``JPEGImages/``, ``Annotations/`` and ``ImageSets/``.
        propagation: the protocol; see `Propagation`.
        year: 2016 or 2017.
        split: of the sequences.
        resolution: folder of frames and masks.
        allow_missing: measure what is there of the listed sequences, instead of refusing.
        allow_gaps: score only ids that true masks have, where these are not 1 to n; see
            `DavisFiles`.
        workers: processes that score.
        name: in tables.
        rotation: degrees a frame by which frames and true masks turn, counter-clockwise; see
            `turn_frame`. Predicted masks that are kept or drawn are those of the turning frames.
        sequences: names of those to measure, in any order; None: all of the split. With it some can
            be kept for choosing settings and others for the figures.
    """

    metrics = J_AND_F
    objective = "J&F-Mean"
    units = ("sequence", "object")
    as_before: ClassVar = {"allow_gaps": False, "sequences": None}  # before the keys

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
        allow_gaps: bool = False,
        sequences: Sequence[str] | None = None,
    ):
        if year not in (2016, 2017):
            raise ValueError(f"year {year} is neither 2016 nor 2017")
        super().__init__(propagation, workers)
        self.files = DavisFiles(
            Path(root).expanduser(),
            year,
            split,
            resolution,
            allow_missing,
            allow_gaps,
            check_sequences(sequences),
        )
        self.rotation = check_rotation(rotation)
        self.name = name or f"davis{year}"
        self.official = SEQUENCES.get((year, split))  # how many sequences published figures are of

    @override
    def videos(self) -> list[str]:
        return self.files.sequences()

    @override
    def label_files(self, video: str) -> list[Path]:
        return self.files.masks(video)

    @override
    def frames(self, video: str) -> list[Path]:
        return self.files.frames(video)

    @override
    def reader(self, video: str) -> "Reader | None":
        """Read a frame's pixels turned as far as it is from the first."""
        if not self.rotation:
            return None
        from siammae.evaluation.propagation.sequence import read_frame

        degrees = {path: t * self.rotation for t, path in enumerate(self.frames(video))}
        return lambda path: turn_frame(read_frame(path), degrees[path])

    @override
    def first(self, video: str) -> np.ndarray:
        first = self.files.read_mask(self.files.masks(video)[0])
        return np.where(first == VOID, 0, first)

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        # A frame without its mask, and values that are no ids, are named before any work.
        self.files.pairs(video)
        self.files.objects(video)
        ids: np.ndarray = super().predict(video, features)
        return ids

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return a row with J and F of each object."""
        masks = stack(video, map(self.files.read_mask, self.files.masks(video)))
        truth = [turn_ids(mask, t * self.rotation) for t, mask in enumerate(masks)]
        objects = self.files.objects(video)
        return score_sequence(
            video, self._at_scored_size(truth), self._at_scored_size(predicted), objects
        )

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Average over objects."""
        return total(rows)

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "year": self.files.year,
            "split": self.files.split,
            "resolution": self.files.resolution,
            "official_sequences": self.official,
            "rotation": self.rotation,
            **({"allow_gaps": True} if self.files.allow_gaps else {}),
            **({"only": list(self.files.only)} if self.files.only else {}),
            **super().settings(),
        }


def check_sequences(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names when they make sense, in the order of the alphabet.

    Raises:
        ValueError: when there is none, something else, or one twice.
    """
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"sequences={names!r} is no list of names; write [blackswan,dog]")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"sequences={list(names)} must name at least one, and none twice")
    return tuple(sorted(names))


def check_rotation(degrees: float) -> float:
    """Return ``degrees`` a frame when they make sense.

    Raises:
        ValueError: for any other.
    """
    if not (isfinite(degrees) and abs(degrees) <= 180):
        raise ValueError(f"rotation={degrees}: degrees a frame, within -180 to 180")
    return degrees


def turn_frame(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Turn pixels (3, H, W) uint8 counter-clockwise about the centre; bicubic.

    The size stays. What comes in from beyond the edge is the frame reflected, and so are its
    labels: an object at the edge is one with its mirror image, in the truth as in the frame.
    """
    import cv2

    turned = _turn(np.ascontiguousarray(pixels.transpose(1, 2, 0)), degrees, cv2.INTER_CUBIC)
    return np.ascontiguousarray(turned.transpose(2, 0, 1))


def turn_ids(ids: np.ndarray, degrees: float) -> np.ndarray:
    """Turn ids (H, W) as `turn_frame` turns a frame; by nearest neighbour."""
    import cv2

    return _turn(ids, degrees, cv2.INTER_NEAREST)


def _turn(picture: np.ndarray, degrees: float, way: int) -> np.ndarray:
    import cv2

    if degrees % 360 == 0:
        return picture
    height, width = picture.shape[:2]
    about = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(picture, about, (width, height), flags=way, borderMode=cv2.BORDER_REFLECT)
