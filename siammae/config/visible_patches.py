"""How many patches a mask ratio leaves. The settings are checked by it, so it needs no torch."""

from decimal import ROUND_FLOOR, Decimal


def visible_count(patches: int, ratio: float) -> int:
    """Return how many of ``patches`` stay visible: the integer part, as in MAE (95% of 196: 9).

    In decimal arithmetic, because in binary 100 * (1 - 0.9) is 9.99...8 and would leave 9, not 10.
    """
    return int(patches * (1 - Decimal(str(ratio))))


def largest_ratio(patches: int) -> float:
    """Return a ratio in (0, 1) that leaves one of ``patches``, at least two, in few digits.

    Rounded down: 1 - 1/196 to the nearest four digits is 0.9949, which leaves none.
    """
    unit = Decimal(10) ** -max(4, len(str(patches)))  # finer than 1 / patches
    return float((1 - 1 / Decimal(patches)).quantize(unit, ROUND_FLOOR))


def hidden(ratio: float, image_size: int, patch_size: int) -> float:
    """Return ``${hidden:RATIO}``: the ratio, or that which leaves one patch.

    For ratios that are made for more patches than a small crop has.
    """
    patches = (image_size // patch_size) ** 2
    fits = patches < 2 or visible_count(patches, ratio) > 0
    return ratio if fits else largest_ratio(patches)
