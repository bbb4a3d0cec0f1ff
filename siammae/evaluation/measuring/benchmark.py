"""The base class of benchmarks: a loop over videos that survives a bad one, and scoring."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from siammae.evaluation.measuring.metric import Metric
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.scoring import Rows, Scoring, only_this
from siammae.evaluation.measuring.share import ALONE, Share, by_each, by_first
from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.files.contents import Contents
    from siammae.evaluation.propagation.sequence import Reader

OnVideo = Callable[[int, int, str], None]  # videos done, all of them, name of the last
WHOLE_MODEL = (
    "calibration measures a whole model, decoder and head: checkpoint=RUN, a run of siammae with "
    "its checkpoints/"
)


class Benchmark:
    """Predicts labels of videos from an encoder's features and compares them with the true ones.

    A subclass gives `videos`, `predict`, `control`, `score`, `total`, `settings` and `label_files`,
    and declares its metrics; ``configs/benchmark/NAME.yaml`` names the class,
    and nothing else is registered. Masks of a first frame that are carried on are `MaskBenchmark`.

    name: of the benchmark, in tables.
    metrics: what `total` gives, each with its unit and which direction is better.
    objective: the name of the metric that stands for all; more or less of it must be better.
    units: the columns of `score`'s rows that say what a row is of, the video first.
    workers: processes that score; 0 scores in this one.
    outputs: where predicted masks go, when somebody wants them.
    control_name: what the control does, for tables.
    needs_model: whether it measures a whole model, decoder and head, not the encoder alone.
    has_masks: whether it predicts masks that `outputs` can keep.
    incidental: keys of a benchmark that cannot change its figures. The fingerprint of its files
        counts in the place of where they lie.
    is_named_in_suites: whether the heads of a suite's columns name the benchmark with the metric.
    can_be_split: whether several processes may each measure some of the videos; else the first
        measures them all. One that learns from videos, or sums over all before it scores, may not.
    share: the processes that measure together; `measure_together` sets it.
    """

    incidental: ClassVar[tuple[str, ...]] = ("root", "workers")

    name: str
    metrics: tuple[Metric, ...] = ()
    objective: str
    units: tuple[str, ...]
    _workers = 0
    outputs: Outputs | None = None
    control_name: str = "copy first mask"
    needs_model: bool = False
    has_masks: bool = False
    is_named_in_suites: bool = True
    can_be_split: bool = True
    share: Share = ALONE

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connections of ``share`` behind: who scores in another process needs none."""
        return {key: value for key, value in vars(self).items() if key != "share"}

    @property
    def workers(self) -> int:
        """The number of processes that score.

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
        """Return a short hash that changes when the benchmark's files do, labels or frames.

        It is of names and sizes, and not of where the folder lies, and quick: it counts in the
        signature of a run. Frames and labels that cannot be found do not count: their videos fail
        when they are measured.
        """
        digest = hashlib.sha256(self.label_fingerprint().encode())
        for video in self.videos():
            try:
                frames = self.frames(video)
            except DataError:
                continue
            for path in frames:
                digest.update(f"{video}/{path.name}\0{size_of(path)}\n".encode())
        return digest.hexdigest()[:10]

    def content_fingerprint(self, contents: "Contents") -> str:
        """Return a short hash of the `fingerprint` and of what the files hold.

        Kept results are known again by it.
        """
        digest = hashlib.sha256(self.fingerprint().encode())
        for each in contents.digests(self._files()):
            digest.update(f"{each}\n".encode())
        return digest.hexdigest()[:10]

    def _files(self) -> list[Path]:
        """Return all files that a measurement reads, without those that cannot be found."""
        found: list[Path] = []
        for video in self.videos():
            for files in (self.label_files, self.frames):
                with suppress(DataError):
                    found += files(video)
        return found

    def label_fingerprint(self) -> str:
        """Return a short hash of the names and sizes of the files with true labels."""
        digest = hashlib.sha256()
        for video in self.videos():
            with suppress(DataError):
                for path in self.label_files(video):
                    digest.update(f"{video}/{path.name}\0{size_of(path)}\n".encode())
        return digest.hexdigest()[:10]

    def label_files(self, video: str) -> list[Path]:
        """Return the files with a video's true labels, in order."""
        raise NotImplementedError

    def videos(self) -> list[str]:
        """Return the names of the videos, in the order of the list."""
        raise NotImplementedError

    def frames(self, video: str) -> list[Path]:
        """Return the image files of a video, in order; empty when there are none to show."""
        return []

    def reader(self, video: str) -> "Reader | None":
        """Return how frames are read for the encoder and for pictures; None: as they are."""
        return None

    def predict(self, video: str, features: "FeatureExtractor") -> Any:
        """Predict a video's labels from the encoder's features, in the form that `score` takes."""
        raise NotImplementedError

    def control(self, video: str) -> Any:
        """Predict what an encoder that sees nothing would: the first labels, in every frame."""
        raise NotImplementedError

    def score(self, video: str, predicted: Any) -> Rows:
        """Return rows of figures of one video; with ``workers`` in another process."""
        raise NotImplementedError

    def total(self, rows: Rows) -> dict[str, float]:
        """Return the figures of all videos by the names of `metrics`; any may be left out."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the protocol, for captions."""
        raise NotImplementedError

    def declared(self) -> dict[str, Metric]:
        """Return the metrics by name, each knowing which column of the rows names the video."""
        found = {}
        for metric in self.metrics:
            over = metric.over_videos
            if over is not None and not over.video:
                metric = replace(metric, over_videos=replace(over, video=self.units[0]))
            found[metric.name] = metric
        return found

    def evaluate(
        self, features: "FeatureExtractor", on_video: OnVideo | None = None
    ) -> BenchmarkResult:
        """Score an encoder's features.

        Args:
            features: of the encoder.
            on_video: called after each video; of several processes each counts its own share.
        """
        return self._measure(lambda video: self.predict(video, features), on_video)

    def copy_first_mask(self, on_video: OnVideo | None = None) -> BenchmarkResult:
        """Score the control."""
        return self._measure(self.control, on_video)

    def _measure(self, predict: Callable[[str], Any], on_video: OnVideo | None) -> BenchmarkResult:
        """Predict and score all videos; of several processes each does its share.

        A video that cannot be read, does not fit, or is too large for the memory is named in the
        result; the rest goes on.

        Raises:
            DataError: when no video can be measured.
        """
        declared, share = _checked(self), self.share
        videos = by_first(share, self.videos)
        mine = videos[share.rank :: share.size]
        parts = by_each(share, lambda: self._scored_videos(mine, predict, on_video))
        return by_first(share, lambda: self._result(videos, parts, declared))

    def _scored_videos(
        self, videos: list[str], predict: Callable[[str], Any], on_video: OnVideo | None
    ) -> tuple[dict[str, Rows], dict[str, str]]:
        """Return the rows of each video, and why others could not be measured."""
        failed: dict[str, str] = {}
        with Scoring(self.score, self.workers, failed) as scoring:
            for done, video in enumerate(videos, start=1):
                with only_this(video, failed):
                    scoring.add(video, predict(video))
                if on_video is not None:
                    on_video(done, len(videos), video)
            return scoring.rows(), failed

    def _result(
        self,
        videos: list[str],
        parts: Sequence[tuple[dict[str, Rows], dict[str, str]]],
        declared: dict[str, Metric],
    ) -> BenchmarkResult:
        """Put together what the processes measured, in the order of the videos."""
        scored = {video: rows for part, _ in parts for video, rows in part.items()}
        reasons = {video: why for _, part in parts for video, why in part.items()}
        failed = {video: reasons[video] for video in videos if video in reasons}
        if len(failed) == len(videos):
            raise DataError("; ".join(list(dict.fromkeys(failed.values()))[:3]))
        rows = [row for video in videos for row in scored.get(video, [])]
        metrics = self.total(rows)
        if unknown := [name for name in metrics if name not in declared]:
            print(
                f"warning: {type(self).__name__}.metrics does not declare {', '.join(unknown)}: "
                "shown as plain numbers of which neither more nor less is better",
                file=sys.stderr,
            )
        return BenchmarkResult(
            self.name,
            self.objective,
            metrics,
            rows,
            {**self.settings(), self.units[0] + "s": len(videos) - len(failed)},
            failed,
            self.units,
            self.control_name,
            tuple(declared[name] for name in metrics if name in declared),
            len(videos),
        )


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; -1 when there is none."""
    return path.stat().st_size if path.is_file() else -1


def _checked(benchmark: Benchmark) -> dict[str, Metric]:
    """Return the declared metrics, when the objective is among them and has a direction.

    Raises:
        TypeError: when the objective is not declared, or neither more nor less of it is better.
    """
    declared = benchmark.declared()
    objective = declared.get(benchmark.objective)
    if objective is None or objective.better == "neither":
        raise TypeError(
            f"{type(benchmark).__name__}.metrics must declare the objective "
            f"{benchmark.objective}, and that more or less of it is better"
        )
    return declared
