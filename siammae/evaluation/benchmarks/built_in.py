"""Benchmarks on built-in data: written when it is not there, and nothing is published on it."""

from typing import Any, Protocol

from siammae.data.built_in.puppets import Puppets
from siammae.data.built_in.sprites import Sprites
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.benchmarks.vip import Vip
from siammae.evaluation.propagation.protocol import Propagation


class BuiltInSet(Protocol):
    """A set of data that is written when it is not there."""

    def prepare(self) -> None:
        """Write the set when it is not there."""

    def fingerprint(self) -> str:
        """Return a short hash of the parameters from which the set follows."""


class BuiltIn:
    """Makes a benchmark of built-in data: ``class SpritesPose(BuiltIn, Jhmdb)``.

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
        """Return the set's own fingerprint."""
        return self.source.fingerprint()

    def content_fingerprint(self, contents: object) -> str:
        """Return the set's own fingerprint: its files follow from what that is of."""
        return self.source.fingerprint()


class SpritesBenchmark(BuiltIn, Davis):
    """Measures on the moving sprites as on DAVIS 2017.

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


class SpritesPose(BuiltIn, Jhmdb):
    """Measures on the puppets' joints as on JHMDB.

    Args:
        source: the built-in set.
        propagation: the protocol.
        sigma: see `Jhmdb`.
        top_cells: see `Jhmdb`.
        workers: see `Jhmdb`.
    """

    def __init__(
        self,
        source: Puppets,
        propagation: Propagation,
        sigma: float = 0.5,
        top_cells: int = 5,
        workers: int = 0,
    ):
        super().__init__(
            source,
            root=str(source.jhmdb_root),
            propagation=propagation,
            sigma=sigma,
            top_cells=top_cells,
            workers=workers,
            name="sprites_pose",
        )


class SpritesParts(BuiltIn, Vip):
    """Measures on the puppets' parts as on VIP.

    Args:
        source: the built-in set.
        propagation: the protocol.
        count_first: see `Vip`.
        workers: see `Vip`.
    """

    def __init__(
        self,
        source: Puppets,
        propagation: Propagation,
        count_first: bool = True,
        workers: int = 0,
    ):
        super().__init__(
            source,
            root=str(source.vip_root),
            propagation=propagation,
            count_first=count_first,
            workers=workers,
            name="sprites_parts",
        )
