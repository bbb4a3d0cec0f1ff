"""Prints tables on a terminal; where not all columns fit, further figures are left to the files."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from siammae.report.tables.parts import parts
from siammae.report.tables.render import cells
from siammae.report.tables.statistics_table import Table
from siammae.system.progress import console

LABEL = 32  # characters of the first column, whose text may go over several lines
FRAME = 3  # of a column beside its text


def show(table: Table) -> None:
    """Print a table of runs with its caption and notes."""
    out = console()
    if table.question:
        out.print(escape(table.question))
    cut = parts(table)
    for number, (group, part) in enumerate(cut, start=1):
        title = f"{table.name}: {group}" if group else table.name
        heads, lines = cells(part, lambda text: f"[bold]{text}[/bold]", escape, narrow=True)
        dim = [bool(control) for control in part.rows["control"]]
        further = _further(part, heads)
        print_grid(
            escape(title), table.caption if number == len(cut) else "", heads, lines, dim, further
        )
    for note in table.notes:
        out.print(f"[dim]{escape(note)}[/dim]")


def _further(table: Table, heads: Sequence[str]) -> range:
    """Return the columns of other metrics than the objective, which stand before the number of
    runs."""
    has_difference = len(heads) > 2 and heads[2].startswith("Δ")
    return range(2 + has_difference, list(heads).index("n"))


def print_grid(
    title: str,
    caption: str,
    heads: Sequence[str],
    lines: Sequence[Sequence[str]],
    dim: Sequence[bool],
    further: Sequence[int],
) -> None:
    """Print rows of text, with marks of rich.

    Args:
        title: above it.
        caption: below it; plain text.
        heads: of the columns, the first of which holds labels.
        lines: the rows.
        dim: which of them are printed dimly.
        further: columns of which the last ones are left out where the width wants it.
    """
    out = console()
    widths = _widths(heads, lines)
    # On a terminal too narrow for the needed ones lines wrap, which loses nothing.
    out.width = max(out.width, _needed(widths, further))
    kept = fitting(widths, further, out.width)
    grid = RichTable(title=title, caption=escape(caption), title_justify="left")
    for place in kept:
        grid.add_column(heads[place], justify="right" if place else "left", no_wrap=place > 0)
    for line, is_dim in zip(lines, dim, strict=True):
        grid.add_row(*(line[place] for place in kept), style="dim" if is_dim else None)
    out.print(grid)
    left = [head for place, head in enumerate(heads) if place not in kept]
    if left:
        out.print(f"[dim]in the files, too wide for here: {', '.join(left)}[/dim]")


def fitting(widths: Sequence[int], further: Sequence[int], width: int) -> list[int]:
    """Return the columns that are shown: of ``further`` as many as fit beside the others."""
    room = width - _needed(widths, further)
    kept = [place for place in range(len(widths)) if place not in further]
    for place in further:
        room -= widths[place]
        if room < 0:
            break
        kept.append(place)
    return sorted(kept)


def _needed(widths: Sequence[int], further: Sequence[int]) -> int:
    """Return the width of a table without the further columns, in characters."""
    return 1 + sum(size for place, size in enumerate(widths) if place not in further)


def _widths(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column with its frame; labels get no more than they need."""
    widest = [
        max(Text.from_markup(text).cell_len for text in column) + FRAME
        for column in zip(heads, *lines, strict=True)
    ]
    widest[0] = min(widest[0], LABEL + FRAME)
    return widest
