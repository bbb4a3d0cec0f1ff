"""Printing a benchmark's result on the terminal."""

from typing import TYPE_CHECKING, Any

from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.system.printable import printable
from siammae.system.progress import console

if TYPE_CHECKING:
    from rich.table import Table

ROWS = 100  # more of them are counted, not printed
COLUMNS = 8  # more metrics are printed below one another


def show_result(
    result: BenchmarkResult, title: str, control: BenchmarkResult | None = None
) -> None:
    """Print the figures of each object, the global ones, the control's, and the protocol.

    Args:
        result: of the encoder.
        title: what was measured on what.
        control: the benchmark's control.
    """
    rows = [row for row in result.per_object if any(head in row for head in result.metrics)]
    if len(result.metrics) > COLUMNS:
        console().print(_upright(result, title, control))
        hidden = len(rows)
    else:
        listed = rows if len(rows) <= ROWS else []
        console().print(_table(result, title, control, listed))
        hidden = len(rows) - len(listed)
    _remarks(result, hidden)


def _table(
    result: BenchmarkResult,
    title: str,
    control: BenchmarkResult | None,
    listed: list[dict[str, Any]],
) -> "Table":
    """Make a table with a column a metric and a row an object."""
    from rich.table import Table

    heads, units = list(result.metrics), result.units if listed else result.units[-1:]
    table = Table(title=_plain(title), title_justify="left")
    for i, unit in enumerate(units):
        table.add_column(unit, justify="left" if i == 0 else "right")
    for head in heads:
        table.add_column(_with_unit(result, head), justify="right", no_wrap=True)
    for row in listed:
        named = [_plain(str(row.get(unit, ""))) for unit in units]
        table.add_row(*named, *(_figure(row.get(head)) for head in heads))
    table.add_section()
    count = [str(len(listed)), *[""] * len(units)][: len(units) - 1]
    figures = [f"[bold]{_figure(result.metrics[head])}[/bold]" for head in heads]
    table.add_row(f"[bold]all {_plural(units[-1])}[/bold]", *count, *figures)
    if control is not None:
        figures = [_figure(control.metrics.get(head)) for head in heads]
        table.add_row(_plain(result.control), *[""] * (len(units) - 1), *figures, style="dim")
    return table


def _upright(result: BenchmarkResult, title: str, control: BenchmarkResult | None) -> "Table":
    """Make a table with a row a metric, for more of them than fit side by side."""
    from rich.table import Table

    table = Table(title=_plain(title), title_justify="left")
    table.add_column("metric")
    table.add_column("encoder", justify="right", style="bold")
    if control is not None:
        table.add_column(_plain(result.control), justify="right", style="dim")
    for head, value in result.metrics.items():
        beside = [] if control is None else [_figure(control.metrics.get(head))]
        table.add_row(_with_unit(result, head), _figure(value), *beside)
    return table


def _remarks(result: BenchmarkResult, hidden: int) -> None:
    """Print what is not in the table, the protocol, and what stands in the way of comparing."""
    out = console()
    if hidden:
        out.print(
            f"[dim]{hidden} rows of single {_plural(result.units[-1])} not shown[/dim]",
            soft_wrap=True,
        )
    if result.settings:
        for line in _lines(result.settings):
            out.print(f"[dim]{_plain(line)}[/dim]", soft_wrap=True)
    for line in _incomplete(result.settings):
        out.print(f"[yellow]{_plain(line)}[/yellow]", soft_wrap=True)
    for video, reason in result.failed.items():
        out.print(f"[red]failed: {_plain(video)}: {_plain(reason)}[/red]", soft_wrap=True)


def _incomplete(settings: dict[str, Any], part: str = "") -> list[str]:
    """Say where fewer videos were measured than published figures are of; by part of a suite."""
    lines = []
    for key, official in settings.items():
        if isinstance(official, dict):
            lines += _incomplete(official, f"{key}: ")
        unit = key.removeprefix("official_")
        if unit != key and official is not None and settings.get(unit) not in (None, official):
            lines.append(
                f"{part}{settings[unit]} {unit}, not the official {official}: "
                "not comparable with published figures"
            )
    return lines


def _with_unit(result: BenchmarkResult, name: str) -> str:
    return _plain(name + result.metric(name).unit_behind(""))


def _plain(text: str) -> str:
    """Return a text of a result, as a video's name, so that rich and the terminal obey nothing."""
    from rich.markup import escape

    return escape(printable(text))


def _lines(settings: dict[str, Any]) -> list[str]:
    """Write settings as text; those of a suite's parts a line each."""
    if all(isinstance(value, dict) for value in settings.values()):
        return [f"{name}: {line}" for name, part in settings.items() for line in _lines(part)]
    return [", ".join(f"{key} {value}" for key, value in settings.items())]


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:.3f}"


def _plural(unit: str) -> str:
    return unit[:-1] + "ies" if unit.endswith("y") else unit + ("es" if unit.endswith("s") else "s")
