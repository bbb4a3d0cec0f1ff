"""KITTI flow 2015: how far the most similar patch is from the true flow's end."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.kitti import read_flow
from siammae.evaluation.files.listing import present, visible
from siammae.evaluation.measuring.benchmark import Benchmark, Rows
from siammae.evaluation.measuring.metric import SHARE, Metric, OverVideos
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor

PAIRS = [f"{number:06d}" for number in range(200)]
LAYOUT = (
    "KITTI's flow of 2015 has training/flow_noc, training/flow_occ and "
    "training/image_2/000000_{10,11}.png"
)
# Of the protocol; with match=soft also top_k and temperature.
USED = (
    *("radius", "window", "input_size", "side", "multiple", "rounding", "resize", "positions"),
    *("precision", "preset", "task"),
)
MATCHES = ("argmax", "soft")
NOTE = (
    "no standard protocol: correspondence of patches, not dense flow; not comparable with EPE or "
    "Fl of flow methods"
)


class KittiFlow(Benchmark):
    """Measures correspondence of patches between two frames (KITTI 2015, Menze and Geiger 2015).

    Each patch of the first frame is matched with the patches of the second inside the protocol's
    window; its displacement is compared with the mean true flow of its valid pixels. Patches
    without a valid pixel do not count. All figures are over the patches of all pairs:
    ``within-16-px`` is the share whose error is at most 16 pixels of the file, ``EPE (px)`` the
    mean error in pixels of the file (smaller is better), ``in-window`` the share whose true end the
    window reaches. As a measure of features this is no standard protocol.

    The control predicts no motion. Of the protocol the input, the window and, with ``match=soft``,
    k and temperature are used; there is no queue, and scores are taken at the files' own size.

    Args:
        root: holds ``training/image_2/000000_{10,11}.png`` and ``training/flow_noc``, ``flow_occ``.
        propagation: the protocol; see `Propagation`.
        match: ``argmax`` takes the most alike patch, ``soft`` the protocol's softmax over k.
        occluded: count patches that the second frame hides or has lost, too (``flow_occ``).
        control_patch: side of the control's patches, for it has no encoder.
        close: an error in pixels of the file that is small enough; the same for every patch size,
            so that encoders compare.
        allow_missing: measure what is there of the 200 pairs, instead of refusing.
        workers: processes that score.

    Raises:
        ValueError: when ``match`` is unknown.
    """

    name = "kitti_flow"
    units = ("pair",)
    control_name = "no motion"

    def __init__(
        self,
        root: str,
        propagation: Propagation,
        match: str = "argmax",
        occluded: bool = False,
        control_patch: int = 16,
        close: float = 16,
        allow_missing: bool = False,
        workers: int = 0,
    ):
        if match not in MATCHES:
            raise ValueError(f"match '{match}' is none of {', '.join(MATCHES)}")
        self.root, self.match = Path(root).expanduser() / "training", match
        self.folder = self.root / ("flow_occ" if occluded else "flow_noc")
        if match == "argmax":
            propagation = replace(propagation, top_k=1)
        self.propagation, self.workers = propagation, workers
        self.control_patch, self.close = control_patch, close
        self.allow_missing = allow_missing
        self.metrics = metrics_of_patches(close)
        self.objective = self.metrics[0].name

    @override
    def label_files(self, video: str) -> list[Path]:
        return [self._flow(video)]

    @override
    def videos(self) -> list[str]:
        """Return the pairs, by their number.

        Raises:
            DataError: when there is no flow, or one of the 200 pairs lacks flow or frames.
        """
        flows = {path.name for path in visible(self.folder, "*_10.png")}
        if not flows:
            raise DataError(f"{self.folder} holds no 000000_10.png; {LAYOUT}")
        images = {path.name for path in visible(self.root / "image_2", "*.png")}
        return present(
            PAIRS,
            lambda name: (
                f"{name}_10.png" in flows and {path.name for path in self.frames(name)} <= images
            ),
            self.allow_missing,
            f"{self.folder} or {self.root / 'image_2'} lacks",
            "pairs",
            LAYOUT,
        )

    @override
    def frames(self, video: str) -> list[Path]:
        return [self.root / "image_2" / f"{video}_{t}.png" for t in (10, 11)]

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> np.ndarray:
        """Predict displacements (rows, columns, 2) of patches, in patches."""
        from siammae.evaluation.scores.correspondence import displacements

        shape = read_flow(self._flow(video))[1].shape
        source, target = self.frames(video)
        return displacements(self.propagation, features, source, target, shape)

    @override
    def control(self, video: str) -> np.ndarray:
        """Predict no motion."""
        shape, patch = read_flow(self._flow(video))[1].shape, self.control_patch
        height, width = self.propagation.input_shape(shape, patch)
        return np.zeros((height // patch, width // patch, 2), dtype=np.float32)

    @override
    def score(self, video: str, predicted: np.ndarray) -> Rows:
        """Return one row: the figures of the pair, and how many patches they are of.

        Raises:
            DataError: when the flow is known nowhere.
        """
        flow, valid = read_flow(self._flow(video))
        rows, columns = grid = predicted.shape[:2]
        mean, count = patch_flow(flow, valid, grid)
        patch = np.array((valid.shape[1] / columns, valid.shape[0] / rows))  # width, height
        true, error = (vectors[count > 0] for vectors in (mean / patch, predicted - mean / patch))
        if len(true) == 0:
            raise DataError(f"{self._flow(video)}: its flow is known nowhere")
        return [
            {
                "pair": video,
                self.objective: float((np.hypot(*(error * patch).T) <= self.close).mean()),
                "EPE (px)": float(np.hypot(*(error * patch).T).mean()),
                "in-window": float(self._reached(true).mean()),
                "patches": len(true),
            }
        ]

    @override
    def total(self, rows: Rows) -> dict[str, float]:
        """Average over the patches of all pairs."""
        weights = [row["patches"] for row in rows]
        return {
            key: float(np.average([row[key] for row in rows], weights=weights))
            for key in map(str, self.metrics)
        }

    @override
    def settings(self) -> dict[str, Any]:
        """Return the protocol, without what it says of queues and labels."""
        used = {*USED, *(("top_k", "temperature") if self.match == "soft" else ())}
        return {
            "note": NOTE,
            "match": self.match,
            "flow": self.folder.name,
            "official_pairs": len(PAIRS),
            **{key: value for key, value in self.propagation.settings().items() if key in used},
        }

    def _flow(self, video: str) -> Path:
        return self.folder / f"{video}_10.png"

    def _reached(self, true: np.ndarray) -> np.ndarray:
        """Return which displacements (P, 2), rounded to whole patches, the window holds."""
        right, down = np.round(true).T
        if self.propagation.window == "disc":
            return np.hypot(right, down) < self.propagation.radius
        return np.maximum(abs(right), abs(down)) <= self.propagation.radius


def metrics_of_patches(close: float) -> tuple[Metric, ...]:
    """Declare the metrics, means over the patches of all pairs; ``close`` as in `KittiFlow`."""
    over = OverVideos(weight="patches")
    return (
        Metric(f"within-{close:g}-px", "more", SHARE, over_videos=over),
        Metric("EPE (px)", "less", "px", over_videos=over),
        Metric("in-window", "neither", SHARE, over_videos=over),  # of the videos and the window
    )


def patch_flow(
    flow: np.ndarray, valid: np.ndarray, grid: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean flow (rows, columns, 2) of each patch's valid pixels, and their number.

    The mean of a patch without a valid pixel is 0.

    Args:
        flow: (H, W, 2).
        valid: (H, W) bool.
        grid: rows and columns of patches that cover the image.
    """
    rows, columns = (
        ((np.arange(side) + 0.5) * patches / side).astype(np.int64)
        for side, patches in zip(valid.shape, grid, strict=True)
    )
    patch = (rows[:, None] * grid[1] + columns)[valid]
    count = np.bincount(patch, minlength=grid[0] * grid[1])
    sums = [np.bincount(patch, flow[..., axis][valid], grid[0] * grid[1]) for axis in (0, 1)]
    mean = np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]
    return mean.reshape(*grid, 2), count.reshape(grid)
