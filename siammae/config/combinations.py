"""Combinations of groups that make no sense, told before anything is built.

By the keys that a group declares, not by the names of classes: a new class with the same keys is
checked alike.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siammae.config.check import TrainConfig


def check_targets(config: "TrainConfig") -> None:
    """Several targets, of which one is none, or whose gaps there are not.

    Raises:
        ValueError: naming the keys and what would be right.
    """
    given: dict[str, Any] = config.targets.__pydantic_extra__
    count = given.get("count", 1)
    if not isinstance(count, int):
        return  # of another class; what it accepts is its own matter
    if count == 1 and given.get("direction") == "both":
        raise ValueError(
            "targets.direction=both needs targets on both sides, and targets.count=1 is one; "
            "take targets.count=2 or direction=future"
        )
    power = given.get("loss_gap_power", 0)
    if count == 1 and power:
        raise ValueError(
            f"targets.loss_gap_power={power} weighs targets against each other, and "
            "targets.count=1 is one; set it to 0"
        )
    gap = config.frame_gap
    if given.get("spacing") == "random":
        needed = -(-count // 2) if given.get("direction") == "both" else count
        values = gap[1] - gap[0] + 1 if isinstance(gap, list) else 1
        if isinstance(gap, int) or values < needed:
            raise ValueError(
                f"targets.spacing=random draws {needed} different gap{'s' * (needed > 1)} from "
                f"frame_gap={gap}, which has {values}; widen it as frame_gap=[4,48], or take "
                "targets.spacing=even or doubling"
            )
