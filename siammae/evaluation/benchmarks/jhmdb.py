"""JHMDB: propagate the first frame's joints, score PCK."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.jhmdb import CLIPS, JhmdbFiles
from siammae.evaluation.measuring.benchmark import Benchmark, Rows
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.scores.pck import OF_JOINTS, score_clip, total
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


class Jhmdb(Benchmark):
    """Measures pose by label propagation on a split's test clips: 15 joints, PCK at 0.1 and 0.2.

    Figures without an ending count joints that the propagation has lost as wrong; those ending in
    ``-customary`` leave them out, as published figures do, and flatter an encoder that loses many.
    `siammae.evaluation.scores.pck` defines both, and
    `siammae.evaluation.propagation.keypoints` how joints become labels.

    Args:
        root: holds ``Rename_Images/``, ``joint_positions/`` and ``splits/``.
        propagation: the protocol; see `Propagation`.
        split: 1, 2 or 3; published figures are of 1.
        list_file: a list of clips instead of the split's; see `JhmdbFiles`.
        sigma: of the Gaussian drawn around each joint, in cells of the grid.
        top_cells: how many cells a joint is read from; 5 in CropMAE, 3 in videowalk.
        allow_missing: measure what is there of the listed clips, instead of refusing.
        workers: processes that score.
        name: in tables.

    Raises:
        ValueError: when a number is out of range, or the protocol scores resized masks.
    """

    metrics = OF_JOINTS
    objective = "PCK@0.1"
    units = ("clip", "joint")
    control_name = "copy first joints"

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        split: int = 1,
        list_file: str | None = None,
        sigma: float = 0.5,
        top_cells: int = 5,
        allow_missing: bool = False,
        workers: int = 0,
        name: str = "jhmdb",
    ):
        if split not in (1, 2, 3):
            raise ValueError(f"split {split} is none of 1, 2, 3")
        if sigma <= 0 or top_cells < 1:
            raise ValueError(
                f"joints need sigma > 0 and top_cells >= 1, not {sigma} and {top_cells}"
            )
        if propagation.score_at == "input":
            raise ValueError(
                "score_at 'input' resizes masks; joints are scored at the frames' size"
            )
        listed = Path(list_file).expanduser() if list_file else None
        self.files = JhmdbFiles(Path(root).expanduser(), split, listed, allow_missing)
        self.propagation, self.sigma, self.top_cells = propagation, sigma, top_cells
        self.workers, self.name = workers, name
        self.official = CLIPS.get(split)  # how many clips published figures are of

    @override
    def label_fingerprint(self) -> str:
        """Return a short hash of the clips' names, joints and numbers of frames."""
        digest = hashlib.sha256()
        for clip in self.files.clips():
            with suppress(DataError, OSError):
                digest.update(f"{clip}\0{len(self.files.frames(clip))}\n".encode())
                digest.update(self.files.mat(clip).read_bytes())
        return digest.hexdigest()[:10]

    @override
    def videos(self) -> list[str]:
        """Return the clips, as ``ACTION/CLIP``."""
        return self.files.clips()

    @override
    def label_files(self, video: str) -> list[Path]:
        return [self.files.mat(video)]

    @override
    def frames(self, video: str) -> list[Path]:
        return self.files.frames(video)

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        """Predict joints (2, 15, T) in pixels, from 0; NaN where one is lost."""
        from siammae.evaluation.propagation.keypoints import draw_joints, read_joints
        from siammae.evaluation.propagation.sequence import propagate_maps, read_frame

        frames, joints = self.files.frames(video), self.files.joints(video)
        shape = read_frame(frames[0]).shape[1:]
        height, width = self.propagation.input_shape(shape, features.patch_size)
        grid = (height // features.patch_size, width // features.patch_size)
        first = draw_joints(joints[:, :, 0], shape, grid, self.sigma)
        maps = propagate_maps(self.propagation, features, frames, first, shape)
        return np.stack([read_joints(labels, shape, self.top_cells) for labels in maps], axis=2)

    @override
    def control(self, video: str) -> np.ndarray:
        """Repeat the first frame's true joints in every frame."""
        joints = self.files.joints(video)
        return np.broadcast_to(joints[:, :, :1], joints.shape)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return a row with the hits of each joint."""
        return score_clip(video, self.files.joints(video), predicted)

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Average over joints."""
        return total(rows)

    @override
    def settings(self) -> dict[str, Any]:
        return {
            "split": self.files.split,
            "official_clips": self.official,
            "sigma": self.sigma,
            "top_cells": self.top_cells,
            **self.propagation.settings(),
        }
