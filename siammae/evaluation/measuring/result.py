"""What a benchmark measures: figures, what they mean, and the rows that they are made up of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from siammae.evaluation.measuring.metric import Metric, read_metric, undeclared


@dataclass
class BenchmarkResult:
    """Figures of one encoder, or of a control, on one benchmark.

    name: of the benchmark.
    objective: which of ``metrics`` stands for the whole.
    metrics: figures over all videos, in the units that ``declared`` says; shares are 0 to 1.
    per_object: a row of figures for each object (part, joint, class) of each video.
    settings: the protocol, for captions.
    failed: videos that could not be measured, with the reason; the figures are of the others.
    units: the columns of ``per_object`` that say what a row is of, the video first.
    control: what the benchmark's control does.
    declared: what each of ``metrics`` means.
    videos: how many were to be measured; None in results of before it was kept.
    """

    name: str
    objective: str
    metrics: dict[str, float]
    per_object: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ("sequence", "object")
    control: str = "copy first mask"
    declared: tuple[Metric, ...] = ()
    videos: int | None = None

    @property
    def value(self) -> float:
        """The objective's figure, in its unit."""
        return self.metrics[self.objective]

    @property
    def quality(self) -> float:
        """The objective's figure such that larger is better; see `Metric.quality`."""
        return self.metric(self.objective).quality(self.value)

    def metric(self, name: str) -> Metric:
        """Return what a metric means; a plain number without direction when it is not declared."""
        return next((each for each in self.declared if each.name == name), undeclared(name))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON takes it."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "BenchmarkResult":
        """Read the result that `as_dict` gave; one of before declarations has none.

        Raises:
            TypeError: when something else is stored.
            KeyError: likewise.
        """
        declared = tuple(read_metric(each) for each in stored.get("declared", ()))
        return cls(**{**stored, "units": tuple(stored["units"]), "declared": declared})


def shortfall(stored: Mapping[str, Any]) -> str:
    """Return in a clause which videos a kept result lacks; empty when it lacks none.

    Args:
        stored: as `BenchmarkResult.as_dict` gives it.
    """
    failed, units = stored.get("failed") or {}, stored.get("units") or ["video"]
    if not failed:
        return ""
    unit = "video" if units[0] == "benchmark" else units[0]
    of = f" of {stored['videos']}" if stored.get("videos") else ""
    return f"without {len(failed)}{of} {unit}s that failed: {', '.join(failed)}"
