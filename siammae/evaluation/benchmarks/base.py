"""What all benchmarks share: a loop over videos that survives a bad one, and how it is told."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siammae.evaluation.benchmarks.outputs import Outputs
from siammae.evaluation.benchmarks.parallel import Scoring
from siammae.evaluation.benchmarks.result import BenchmarkResult
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.propagation.sequence import Reader

Told = Callable[[int, int, str], None]  # videos done, all, name
Rows = list[dict[str, Any]]
WHOLE_MODEL = (
    "calibration measures a whole model, decoder and head: checkpoint=RUN, a run of siammae with "
    "its checkpoints/"
)


class Benchmark:
    """Labels of a first frame, carried through a video and compared with the true ones.

    A subclass gives `videos`, `frames`, `predict`, `control`, `score`, `total`, `settings` and
    `label_fingerprint`; nothing is registered, ``configs/benchmark/NAME.yaml`` names the class.

    name: in tables. objective: the metric that stands for all, larger being better.
    units: the columns of `score`'s rows that say what a row is of.
    workers: processes that score; 0 scores in this one.
    outputs: where predicted masks go, when somebody wants them.
    control_name: what the control does, for tables.
    needs_model: whether it measures a whole model, decoder and head, not the encoder alone.
    """

    name: str
    objective: str
    units: tuple[str, ...]
    _workers = 0
    outputs: Outputs | None = None
    control_name: str = "copy first mask"
    needs_model: bool = False

    @property
    def workers(self) -> int:
        """Processes that score.

        Raises:
            ValueError: when it is set to something else than an int of at least 0.
        """
        return self._workers

    @workers.setter
    def workers(self, value: int) -> None:
        if type(value) is not int or value < 0:
            raise ValueError(f"workers={value}: an int >= 0 is needed")
        self._workers = value

    def prepare(self) -> None:
        """Check that the files are there.

        Raises:
            DataError: with what is missing.
        """
        self.videos()

    def fingerprint(self) -> str:
        """A short hash that changes when the benchmark's files do, labels or frames.

        By names and sizes, and not by where the folder lies. Frames that cannot be found do not
        count: their videos fail when they are measured.
        """
        digest = hashlib.sha256(self.label_fingerprint().encode())
        for video in self.videos():
            try:
                frames = self.frames(video)
            except DataError:
                continue
            for path in frames:
                size = path.stat().st_size if path.is_file() else -1
                digest.update(f"{video}/{path.name}\0{size}\n".encode())
        return digest.hexdigest()[:10]

    def label_fingerprint(self) -> str:
        """The same of the true labels alone."""
        raise NotImplementedError

    def videos(self) -> list[str]:
        """Names of the videos, in the order of the list."""
        raise NotImplementedError

    def frames(self, video: str) -> list[Path]:
        """Image files of a video, in order, for pictures; empty when there are none to show."""
        return []

    def reader(self, video: str) -> "Reader | None":
        """How a frame of `frames` is shown, to the encoder and in pictures; None: as it is."""
        return None

    def predict(self, video: str, features: "FeatureExtractor") -> Any:
        """What the encoder's features make of a video; whatever `score` takes."""
        raise NotImplementedError

    @property
    def has_masks(self) -> bool:
        """Whether it predicts masks that `outputs` can keep."""
        return type(self).masks is not Benchmark.masks

    def masks(self, predicted: Any) -> np.ndarray:
        """Ids (T, H, W) of `predict`'s result, for files and pictures."""
        raise NotImplementedError

    def control(self, video: str) -> Any:
        """The same by an encoder that sees nothing: the first frame's labels, in every frame."""
        raise NotImplementedError

    def score(self, video: str, predicted: Any) -> Rows:
        """Rows of figures of one video; runs in another process when there are ``workers``."""
        raise NotImplementedError

    def total(self, rows: Rows) -> dict[str, float]:
        """The figures of all videos."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The protocol, for captions."""
        raise NotImplementedError

    def evaluate(self, features: "FeatureExtractor", told: Told | None = None) -> BenchmarkResult:
        """Score an encoder's features; ``told`` hears of each finished video."""

        def predict(video: str) -> Any:
            predicted = self.predict(video, features)
            if self.outputs is not None:
                frames, masks = self.frames(video), self.masks(predicted)
                self.outputs.write(video, frames, masks, self.reader(video))
            return predicted

        return self._measure(predict, told)

    def copy_first_mask(self, told: Told | None = None) -> BenchmarkResult:
        """Score the control."""
        return self._measure(self.control, told)

    def _measure(self, predict: Callable[[str], Any], told: Told | None) -> BenchmarkResult:
        """A video that cannot be read or does not fit is named in the result; the rest goes on.

        Raises:
            DataError: when no video can be measured.
        """
        videos, failed = self.videos(), {}
        with Scoring(self.score, self.workers) as scoring:
            for done, video in enumerate(videos, start=1):
                try:
                    scoring.add(video, predict(video))
                except DataError as error:
                    failed[video] = str(error)
                if told is not None:
                    told(done, len(videos), video)
            rows = scoring.rows(failed)
        if len(failed) == len(videos):
            raise DataError("; ".join(list(dict.fromkeys(failed.values()))[:3]))
        settings = {**self.settings(), self.units[0] + "s": len(videos) - len(failed)}
        return BenchmarkResult(
            self.name,
            self.objective,
            self.total(rows),
            rows,
            settings,
            failed,
            self.units,
            self.control_name,
        )
