"""What benchmarks on built-in data share: they write it, and nothing is published on it."""

from typing import Any, Protocol


class BuiltInSet(Protocol):
    """Data that is written when it is not there."""

    def prepare(self) -> None:
        """Write it."""

    def fingerprint(self) -> str:
        """Of the parameters that it follows from."""


class BuiltIn:
    """Named before the class of the data set's benchmark: ``class SpritesPose(BuiltIn, Jhmdb)``.

    Args:
        source: the built-in set.
        measured_as: arguments of that benchmark.
    """

    def __init__(self, source: BuiltInSet, **measured_as: Any):
        super().__init__(**measured_as)
        self.source = source
        self.official: int | None = None  # nothing is published on it

    def prepare(self) -> None:
        """Write the set when it is not there."""
        self.source.prepare()

    def fingerprint(self) -> str:
        """The set's own."""
        return self.source.fingerprint()
