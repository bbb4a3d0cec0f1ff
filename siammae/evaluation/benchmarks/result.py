"""What a benchmark gives back."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class BenchmarkResult:
    """Figures of one encoder, or control, on one benchmark.

    name: of the benchmark.
    objective: which of ``metrics`` stands for the whole; larger is better.
    metrics: shares, 0 to 1, unless the benchmark says otherwise.
    per_object: a row for each object (part, joint) of each video.
    settings: the protocol, for captions.
    failed: videos that could not be measured, with the reason; the figures are of the others.
    units: the columns of ``per_object`` that say what a row is of.
    control: what the benchmark's control does.
    """

    name: str
    objective: str
    metrics: dict[str, float]
    per_object: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ("sequence", "object")
    control: str = "copy first mask"

    @property
    def value(self) -> float:
        """The objective's figure."""
        return self.metrics[self.objective]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
