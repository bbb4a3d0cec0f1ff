"""The built-in set's validation sequences, with DAVIS's formulas."""

from siammae.data.built_in.sprites import Sprites
from siammae.evaluation.benchmarks.built_in import BuiltIn
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.propagation.protocol import Propagation


class SpritesBenchmark(BuiltIn, Davis):
    """Written when it is not there; measured like DAVIS 2017.

    Args:
        source: the built-in set.
        propagation: the protocol.
        workers: see `Davis`.
        rotation: see `Davis`.
    """

    def __init__(
        self,
        source: Sprites,
        propagation: Propagation,
        workers: int = 0,
        rotation: float = 0.0,
    ):
        super().__init__(
            source,
            root=str(source.benchmark_root),
            propagation=propagation,
            workers=workers,
            name="sprites",
            rotation=rotation,
        )
