"""Gives each setting a colour, a line and a marker that colour-blind readers can tell apart too."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import seaborn as sns
from matplotlib.colors import to_hex

from siammae.report.tables.statistics_table import Table

# Seaborn's colorblind without grey, which controls have, and without what is pale on white.
PALETTE = [sns.color_palette("colorblind")[i] for i in (0, 1, 2, 3, 4, 9, 5)]
DASHES = ["-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2))]
MARKERS = ["o", "s", "^", "D"]
PALEST = 0.5  # share of white in the last shade of a colour


@dataclass(frozen=True)
class Look:
    """The style of a setting in all figures of a table."""

    color: str
    dashes: Any  # a line style of matplotlib
    marker: str


def looks(table: Table) -> dict[Hashable, Look]:
    """Return styles by index of the row: a scale for numbers, colour and shade for grids, or a
    palette."""
    rows = table.rows[~table.rows["control"]]
    settings = list(rows["setting"])
    if len(table.axes) == 1:
        chosen = _scale([number(setting.get(table.axes[0], "")) for setting in settings])
    elif len(table.axes) == 2:
        chosen = _shades([tuple(setting.get(axis) for axis in table.axes) for setting in settings])
    else:
        chosen = palette(len(settings))
    return dict(zip(rows.index, chosen, strict=True))


def number(value: str | None) -> float | None:
    """Return a setting's value as a number, or None when it is not one."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def palette(count: int) -> list[Look]:
    """Return styles from a palette in turn, each time round with another line and marker."""
    rounds = [divmod(i, len(PALETTE)) for i in range(count)]
    return [_look(PALETTE[i], turn) for turn, i in rounds]


def _scale(values: list[float | None]) -> list[Look]:
    """Colour numbers from dark to light in their order, and other values from the palette."""
    known = sorted({value for value in values if value is not None})
    if len(known) < 3:
        return palette(len(values))
    colors = dict(zip(known, sns.color_palette("viridis", len(known) + 1), strict=False))
    others = iter(palette(len(values) + 3)[3:])  # red first, which the scale has not
    return [
        next(others) if value is None else _look(colors[value], known.index(value) % len(DASHES))
        for value in values
    ]


def _shades(pairs: list[tuple[Any, ...]]) -> list[Look]:
    """Take the colour from the first axis, and shade and line from the second."""
    first, second = (list(dict.fromkeys(pair[i] for pair in pairs)) for i in (0, 1))
    if len(first) > len(PALETTE) or len(second) > len(DASHES):
        return palette(len(pairs))
    found = []
    for one, other in pairs:
        turn = second.index(other)
        white = PALEST * turn / max(len(second) - 1, 1)
        color = [(1 - white) * part + white for part in PALETTE[first.index(one)]]
        found.append(_look(tuple(color), turn))
    return found


def _look(color: Any, turn: int) -> Look:
    return Look(to_hex(color), DASHES[turn % len(DASHES)], MARKERS[turn % len(MARKERS)])
