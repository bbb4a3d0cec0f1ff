"""Combinations of groups that make no sense, told before anything is built.

By the keys that a group declares, not by the names of classes: a new class with the same keys is
checked alike. Each function raises ValueError with the keys, their values and what would be right.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siammae.config.schema import Group, TrainConfig

GAPS = {
    "frames": "an int >= 1, or [lo, hi] with 1 <= lo <= hi",
    "seconds": "with frame_gap_unit=seconds a number > 0, or [lo, hi] with 0 < lo <= hi",
}
MOST_SECONDS = 30  # beyond it somebody has thought of frames
PLAIN_HEAD = {"width", "patch_size"}  # keys of a head that predicts no spread of its own


def check_gap(gap: float | list[int | float], unit: str) -> None:
    """Numbers of the unit, the smaller first.

    Raises:
        ValueError: with what would be right.
    """
    ends = gap if isinstance(gap, list) else [gap, gap]
    least = 1 if unit == "frames" else 0
    kinds = (int,) if unit == "frames" else (int, float)
    fits = all(type(end) in kinds and end >= least and end > 0 for end in ends)
    if len(ends) != 2 or not fits:
        hint = ""
        if unit == "frames" and len(ends) == 2 and all(end > 0 for end in ends):
            hint = "; for seconds say frame_gap_unit=seconds"
        raise ValueError(f"{GAPS[unit]}, not {gap!r}{hint}")
    low, high = ends
    if low > high:
        raise ValueError(f"frame_gap=[{low},{high}] is reversed; write frame_gap=[{high},{low}]")
    if unit == "seconds" and high > MOST_SECONDS:
        raise ValueError(
            f"frame_gap={gap} with frame_gap_unit=seconds is up to {high} seconds, and at most "
            f"{MOST_SECONDS} are taken; the paper's 4 to 48 frames are frame_gap=[0.13,1.6] at 30 "
            "frames a second"
        )


def check_targets(config: "TrainConfig") -> None:
    """Several targets, of which one is none, or whose gaps there are not.

    Raises:
        ValueError: naming the keys and what would be right.
    """
    given = _own(config.targets)
    count = given.get("count", 1)
    if not isinstance(count, int):
        return  # of another class; what it accepts is its own matter
    if count == 1 and given.get("direction") == "both":
        raise ValueError(
            "targets.direction=both needs targets on both sides, and targets.count=1 is one; "
            "take targets.count=2 or direction=future"
        )
    if count == 1 and given.get("predict"):
        raise ValueError(
            "targets.predict=true hides all of the last target, and targets.count=1 has no other: "
            "mask_ratio and masking would do nothing; take targets.count=2"
        )
    power = given.get("loss_gap_power", 0)
    if count == 1 and power:
        raise ValueError(
            f"targets.loss_gap_power={power} weighs targets against each other, and "
            "targets.count=1 is one; set it to 0"
        )
    gap = config.frame_gap
    if given.get("spacing") == "random":
        seconds = config.frame_gap_unit == "seconds"
        if seconds and isinstance(gap, list) and gap[0] < gap[1]:
            return  # a clip's rate decides, and each is checked when it is read
        wide = "[0.13,1.6]" if seconds else "[4,48]"
        needed = -(-count // 2) if given.get("direction") == "both" else count
        values = int(gap[1] - gap[0]) + 1 if isinstance(gap, list) else 1
        if not isinstance(gap, list) or values < needed:
            raise ValueError(
                f"targets.spacing=random draws {needed} different gap{'s' * (needed > 1)} from "
                f"frame_gap={gap}, which has {values}; widen it as frame_gap={wide}, or take "
                "targets.spacing=even or doubling"
            )


def check_uncertainty(config: "TrainConfig") -> None:
    """Monte Carlo dropout sets the rate of the decoder's dropout itself."""
    own = _own(config.uncertainty)
    member: Any = own.get("member") or {}
    rate = own.get("rate", member.get("rate"))
    dropout = _own(config.decoder).get("dropout")
    if rate is not None and dropout:
        raise ValueError(
            f"decoder.dropout={dropout} and uncertainty=dropout both set the decoder's dropout; "
            f"write decoder.dropout=0 uncertainty.rate={dropout}"
        )


def check_smart_masking(config: "TrainConfig") -> None:
    """An estimate needs the past frame's tokens, and a predicted one a spread from one pass.

    Raises:
        ValueError: naming both options and what would be right.
    """
    estimate = _own(config.masking).get("estimate")
    if estimate is None:
        return
    if "future_embedding" in _own(config.encoding):
        raise ValueError(
            "masking=uncertainty reads the encoded past frame before it hides patches, and "
            "encoding=joint encodes both frames at once; choose encoding=siamese, or masking=motion"
        )
    if estimate != "predicted":
        return
    head = _own(config.uncertainty)
    if head.keys() <= PLAIN_HEAD:
        raise ValueError(
            "masking.estimate=predicted hides patches by the spread that the head predicts, and "
            "uncertainty=none predicts the same everywhere; choose uncertainty=gaussian, laplace, "
            "beta_nll or ensemble, or masking.estimate=error"
        )
    member = head.get("member")
    if "samples" in head or (isinstance(member, dict) and "samples" in member):
        raise ValueError(
            "masking.estimate=predicted takes one pass of the decoder in every step, and the "
            "spread of uncertainty=dropout takes many; choose masking.estimate=error, or another "
            "head"
        )


def check_places(config: "TrainConfig") -> None:
    """Motion and the running error read the past frame where the hidden patch is; frames that turn
    or are cropped apart show something else there.

    Raises:
        ValueError: naming both options and what would be right.
    """
    masking = _own(config.masking)
    if masking.get("toward") in ("moving", "still"):
        reader = "masking=motion"
    elif masking.get("estimate") == "error":
        reader = "masking=uncertainty with masking.estimate=error"
    else:
        return
    where = _own(config.rotation).get("applies_to", "both")
    parted = None
    if where != "both":
        parted, cure = f"rotation.applies_to={where} turns the frames", "rotation.applies_to=both"
    elif _own(config.augment).get("shared_crop") is False:
        parted, cure = "augment.shared_crop=false crops the frames", "augment.shared_crop=true"
    if parted:
        raise ValueError(
            f"{parted} apart, and {reader} compares them place by place; choose {cure}, or another "
            "masking"
        )


def check_resizing(config: "TrainConfig") -> None:
    """Readers that resize leave nothing around the crop, which turning by any angle needs.

    Raises:
        ValueError: naming both options and what would be right.
    """
    if _own(config.augment).get("resize") != "host" or not config.rotation.target:
        return
    from hydra.utils import get_class

    try:
        rotation = get_class(config.rotation.target)
    except Exception:
        return  # building it tells what is wrong with it
    if getattr(rotation, "interpolates", False):
        raise ValueError(
            f"augment.resize=host sends crops without what is around them, and {rotation.__name__} "
            "of the group rotation turns that into their corners; choose augment.resize=device, or "
            "rotation=right_angles or none"
        )


def _own(group: "Group") -> dict[str, Any]:
    """The keys that only the group's class knows."""
    return group.model_extra or {}
