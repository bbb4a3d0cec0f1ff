"""The built-in figures' joints and parts, with JHMDB's and VIP's formulas."""

from siammae.data.built_in.puppets import Puppets
from siammae.evaluation.benchmarks.built_in import BuiltIn
from siammae.evaluation.benchmarks.jhmdb import Jhmdb
from siammae.evaluation.benchmarks.vip import Vip
from siammae.evaluation.propagation.protocol import Propagation


class SpritesPose(BuiltIn, Jhmdb):
    """Written when it is not there; measured like JHMDB.

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
    """Written when it is not there; measured like VIP.

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
