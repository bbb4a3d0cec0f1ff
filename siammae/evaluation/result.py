"""What a benchmark gives back."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class BenchmarkResult:
    """Figures of one encoder, or control, on one benchmark.

    name: of the benchmark.
    objective: which of ``metrics`` stands for the whole; larger is better.
    metrics: shares, 0 to 1.
    per_object: a row for each object of each video.
    settings: the protocol, for captions.
    """

    name: str
    objective: str
    metrics: dict[str, float]
    per_object: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The objective's figure."""
        return self.metrics[self.objective]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
