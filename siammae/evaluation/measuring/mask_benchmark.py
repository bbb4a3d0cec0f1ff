"""The base class of benchmarks that carry a first frame's masks through a video."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from siammae.evaluation.files.labels import first_alone, scored
from siammae.evaluation.measuring.benchmark import Benchmark, OnVideo
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.propagation.protocol import Propagation

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor


class MaskBenchmark(Benchmark):
    """Carries masks of a video's first frame on and compares them with the true ones.

    A subclass gives `videos`, `frames`, `first`, `label_files`, `score` and `total`.

    Args:
        propagation: the protocol of label propagation.
        workers: processes that score.
    """

    units = ("video", "object")
    has_masks = True

    def __init__(self, propagation: Propagation, workers: int = 0):
        self.propagation, self.workers = propagation, workers

    def first(self, video: str) -> np.ndarray:
        """Return the ids (H, W) of the first frame's masks that are carried on, 0 for none.

        Their type is large enough for all ids, and decides how predicted masks are written.
        """
        raise NotImplementedError

    @override
    def predict(self, video: str, features: "FeatureExtractor") -> Any:
        """Predict ids (T, H, W), of the type of the first frame's."""
        from siammae.evaluation.propagation.sequence import propagate_ids

        first, frames = self.first(video), self.frames(video)
        if not first.any():
            return first_alone(first, len(frames))
        maps = propagate_ids(self.propagation, features, frames, first, self.reader(video))
        return np.stack(list(maps))

    @override
    def control(self, video: str) -> Any:
        """Repeat the first frame's masks in every frame (T, H, W)."""
        return first_alone(self.first(video), len(self.frames(video)))

    def masks(self, predicted: Any) -> np.ndarray:
        """Return the ids (T, H, W) of `predict`'s result, for files and pictures."""
        ids: np.ndarray = predicted
        return ids

    @override
    def evaluate(
        self, features: "FeatureExtractor", on_video: OnVideo | None = None
    ) -> BenchmarkResult:
        def predict(video: str) -> Any:
            predicted = self.predict(video, features)
            if self.outputs is not None:
                frames, masks = self.frames(video), self.masks(predicted)
                self.outputs.write(video, frames, masks, self.reader(video))
            return predicted

        return self._measure(predict, on_video)

    @override
    def settings(self) -> dict[str, Any]:
        return self.propagation.settings()

    def _at_scored_size(self, maps: Iterable[np.ndarray]) -> np.ndarray:
        """Return ids (T, H, W) at the size at which the protocol scores."""
        return np.stack([scored(self.propagation, ids) for ids in maps])
