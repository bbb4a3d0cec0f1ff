"""The built-in set's validation sequences, with DAVIS's formulas."""

from siammae.data.sprites import Sprites
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.protocol import Propagation


class SpritesBenchmark(Davis):
    """Written when it is not there; measured like DAVIS 2017.

    Args:
        source: the built-in set.
        propagation: the protocol.
        workers: see `Davis`.
    """

    def __init__(
        self,
        source: Sprites,
        propagation: Propagation,
        workers: int = 0,
    ):
        super().__init__(
            root=str(source.benchmark_root),
            propagation=propagation,
            workers=workers,
            name="sprites",
        )
        self.source = source
        self.official = None  # nothing is published on it

    def prepare(self) -> None:
        """Write the set when it is not there."""
        self.source.prepare()

    def fingerprint(self) -> str:
        """The set's own."""
        return self.source.fingerprint()
