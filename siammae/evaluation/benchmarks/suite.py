"""Several benchmarks in one go, such as the three of the paper's main table."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from siammae.evaluation.measuring.benchmark import Benchmark, OnVideo
from siammae.evaluation.measuring.metric import Metric
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.share import by_first, measure_together
from siammae.system.errors import ConfigError, DataError

if TYPE_CHECKING:
    from siammae.evaluation.features import FeatureExtractor
    from siammae.evaluation.files.contents import Contents


class Suite(Benchmark):
    """Measures one encoder on all its parts; metrics carry the part's name, ``vip/mIoU``.

    Frames that several parts look at, at the same input size, are encoded once. (The official files
    of DAVIS, VIP and JHMDB have none in common; the built-in sets do.)

    Args:
        name: in tables.
        parts: benchmarks by name.
        objective: ``PART/METRIC`` that stands for the whole.
        keep_gb: memory for features of frames that may be seen again, in GB.

    Raises:
        ConfigError: when there is no part, or the objective names none of their metrics, or one of
            which neither more nor less is better.
    """

    incidental = (*Benchmark.incidental, "keep_gb")
    control_name = "copy first labels"

    def __init__(
        self, name: str, parts: Mapping[str, Benchmark], objective: str, keep_gb: float = 2
    ):
        if not parts or objective.partition("/")[0] not in parts:
            raise ConfigError(
                f"benchmark.objective={objective} must be PART/METRIC, PART one of "
                + (", ".join(parts) or "benchmark.parts, which is empty")
            )
        self.name, self.parts, self.objective, self.keep_gb = name, dict(parts), objective, keep_gb
        decisive = [metric.name for metric in self.metrics if metric.better != "neither"]
        if objective not in decisive:
            raise ConfigError(
                f"benchmark.objective={objective}: no metric that can decide; there are "
                + ", ".join(decisive)
            )

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]
        """The metrics of all parts, with the part in front of each name."""
        return tuple(
            metric.in_suite(name, part.is_named_in_suites)
            for name, part in self.parts.items()
            for metric in part.declared().values()
        )

    @override
    def prepare(self) -> None:
        """Prepare all parts, so that all that is missing is named before the first is measured.

        Raises:
            DataError: with what each part misses.
        """
        missing = []
        for part in self.parts.values():
            try:
                part.prepare()
            except DataError as error:
                missing.append(str(error))
        if missing:
            raise DataError("\n       ".join(missing))

    @override
    def fingerprint(self) -> str:
        """Return a short hash of all parts' fingerprints."""
        prints = "".join(f"{name}\0{part.fingerprint()}\n" for name, part in self.parts.items())
        return hashlib.sha256(prints.encode()).hexdigest()[:10]

    @override
    def content_fingerprint(self, contents: "Contents") -> str:
        prints = "".join(
            f"{name}\0{part.content_fingerprint(contents)}\n" for name, part in self.parts.items()
        )
        return hashlib.sha256(prints.encode()).hexdigest()[:10]

    @property
    def has_masks(self) -> bool:  # type: ignore[override]
        """Whether any part predicts masks."""
        return any(part.has_masks for part in self.parts.values())

    @property
    def needs_model(self) -> bool:  # type: ignore[override]
        """Whether any part measures a whole model."""
        return any(part.needs_model for part in self.parts.values())

    @override
    def videos(self) -> list[str]:
        """Return the videos of all parts, as ``PART/VIDEO``."""
        return [f"{name}/{video}" for name, part in self.parts.items() for video in part.videos()]

    @override
    def frames(self, video: str) -> list[Path]:
        """Return the image files of ``PART/VIDEO``."""
        name, _, of_part = video.partition("/")
        return self.parts[name].frames(of_part)

    @override
    def settings(self) -> dict[str, Any]:
        """Return the protocols, by part."""
        return {name: part.settings() for name, part in self.parts.items()}

    @override
    def evaluate(
        self, features: "FeatureExtractor", on_video: OnVideo | None = None
    ) -> BenchmarkResult:
        from siammae.evaluation.features import SharedFeatures

        shared = SharedFeatures(features, int(self.keep_gb * 1e9))
        for name, part in self.parts.items():
            part.outputs = self.outputs.below(name) if self.outputs and part.has_masks else None
        return self._each(lambda part: part.evaluate(shared, on_video))

    @override
    def copy_first_mask(self, on_video: OnVideo | None = None) -> BenchmarkResult:
        return self._each(lambda part: part.copy_first_mask(on_video))

    def _each(self, measure: Callable[[Benchmark], BenchmarkResult]) -> BenchmarkResult:
        """Measure all parts; one of which no video can be measured costs its own figures only.

        Of several processes, each part decides whether they share it.

        Raises:
            DataError: when that is the part of the objective.
        """
        results, failed = dict[str, BenchmarkResult](), dict[str, str]()
        for name, part in self.parts.items():
            try:
                results[name] = measure_together(part, self.share, measure)
            except DataError as error:
                if name == self.objective.partition("/")[0]:
                    raise
                videos = by_first(self.share, part.videos)
                failed |= {f"{name}/{video}": str(error) for video in videos}
        return by_first(self.share, lambda: self._merged(results, failed))

    def _merged(
        self, results: dict[str, BenchmarkResult], failed: dict[str, str]
    ) -> BenchmarkResult:
        metrics = {
            f"{name}/{metric}": value
            for name, result in results.items()
            for metric, value in result.metrics.items()
        }
        if self.objective not in metrics:  # a part may leave a metric out
            raise DataError(
                f"benchmark.objective={self.objective} cannot be measured on these files; what can "
                f"is {', '.join(metrics)}"
            )
        rows = [
            {"benchmark": name, **row}
            for name, result in results.items()
            for row in result.per_object
        ]
        for name, result in results.items():
            failed |= {f"{name}/{video}": why for video, why in result.failed.items()}
        part_of = [video.partition("/")[0] for video in failed]
        counts = [result.videos or 0 for result in results.values()]
        counts += [1 for part in part_of if part not in results]
        units = dict.fromkeys(unit for result in results.values() for unit in result.units)
        settings = {name: result.settings for name, result in results.items()}
        return BenchmarkResult(
            self.name,
            self.objective,
            metrics,
            rows,
            settings,
            failed,
            ("benchmark", *units),
            self.control_name,
            tuple(metric for metric in self.metrics if metric.name in metrics),
            sum(counts),
        )
