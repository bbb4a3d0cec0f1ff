"""What an audit found, as a table and lines to print."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from siammae.data.manifests.facts import BROKEN, DAMAGED, Facts

if TYPE_CHECKING:
    from rich.table import Table

ROWS = 8  # of a part of the table; the rest is added up
NAMED = 20  # files


def summary_table(rows: Sequence[Facts], title: str) -> "Table":
    """Return a table of clips, frames, time and bytes by verdict, codec, size and frame rate."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in ("clips", "frames", "h:mm:ss", "MB"):
        table.add_column(column, justify="right")
    parts: dict[str, Callable[[Facts], str]] = {
        "read by": _verdict,
        "codec": lambda row: row.codec or "unknown",
        "width x height": lambda row: f"{row.width}x{row.height}" if row.width else "unknown",
        "frames a second": _rate,
    }
    for part, key in parts.items():
        table.add_row(f"[bold]{part}[/bold]")
        for name, members in _grouped(rows, key):
            table.add_row(f"  {name}", *_figures(members))
        table.add_section()
    table.add_row("[bold]all[/bold]", *_figures(rows))
    return table


def lost(rows: Sequence[Facts]) -> list[str]:
    """Return a line for each broken file, then for each damaged one, up to a number of each."""
    lines = []
    for state, what in ((BROKEN, "broken"), (DAMAGED, "damaged, used up to there")):
        found = [row for row in rows if row.state == state]
        lines += [f"{what}: {row.path}: {row.reason}" for row in found[:NAMED]]
        if len(found) > NAMED:
            lines.append(f"{what}: {len(found) - NAMED} more, see column reason of the manifest")
    return lines


def _verdict(row: Facts) -> str:
    if row.state == BROKEN:
        return "no reader (broken)"
    return f"{row.reader} (damaged, a part)" if row.state == DAMAGED else row.reader


def _rate(row: Facts) -> str:
    rate = "unknown" if row.fps is None else f"{row.fps:.2f}".rstrip("0").rstrip(".")
    return f"{rate} (variable)" if row.variable_rate else rate


def _grouped(
    rows: Sequence[Facts], key: Callable[[Facts], str]
) -> list[tuple[str, Sequence[Facts]]]:
    """Group rows by a key, the largest group first; small groups beyond `ROWS` make up one."""
    groups: dict[str, list[Facts]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    if len(ordered) <= ROWS:
        return list(ordered)
    rest = [row for _, members in ordered[ROWS - 1 :] for row in members]
    return [*ordered[: ROWS - 1], (f"{len(ordered) - ROWS + 1} others", rest)]


def _figures(rows: Sequence[Facts]) -> tuple[str, ...]:
    seconds = sum(row.usable / row.fps for row in rows if row.fps)
    frames, size = sum(row.usable for row in rows), sum(max(row.bytes, 0) for row in rows)
    return (
        f"{len(rows):,}",
        f"{frames:,}",
        str(timedelta(seconds=round(seconds))),
        f"{size / 1e6:,.1f}",
    )
