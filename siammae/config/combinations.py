"""Combinations of groups that make no sense, told apart by the keys that the groups declare.

Each function raises ValueError with the keys, their values and what would be right.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siammae.config.check import TrainConfig


def check_uncertainty(config: "TrainConfig") -> None:
    """Monte Carlo dropout sets the rate of the decoder's dropout itself."""
    own = config.uncertainty.model_extra or {}
    member: Any = own.get("member") or {}
    rate = own.get("rate", member.get("rate"))
    dropout: Any = (config.decoder.model_extra or {}).get("dropout")
    if rate is not None and dropout:
        raise ValueError(
            f"decoder.dropout={dropout} and uncertainty=dropout both set the decoder's dropout; "
            f"write decoder.dropout=0 uncertainty.rate={dropout}"
        )
