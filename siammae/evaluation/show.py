"""A benchmark's result on the terminal."""

from typing import Any

from siammae.evaluation.result import BenchmarkResult
from siammae.tracking.progress import console

ROWS = 100  # more of them are counted, not printed


def show_result(
    result: BenchmarkResult, title: str, control: BenchmarkResult | None = None
) -> None:
    """The figures of each object, the global ones, the control's, and the protocol.

    Args:
        result: of the encoder.
        title: what was measured on what.
        control: 'copy first mask' on the same benchmark.
    """
    from rich.markup import escape
    from rich.table import Table

    heads, units = list(result.metrics), result.units
    table = Table(title=escape(title), title_justify="left")
    for i, unit in enumerate(units):
        table.add_column(unit, justify="left" if i == 0 else "right")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    listed = result.per_object if len(result.per_object) <= ROWS else []
    for row in listed:
        named = [escape(str(row.get(unit, ""))) for unit in units]
        table.add_row(*named, *(_figure(row.get(head)) for head in heads))
    table.add_section()
    count = [str(len(result.per_object)), *[""] * len(units)][: len(units) - 1]
    figures = [f"[bold]{_figure(result.metrics[head])}[/bold]" for head in heads]
    table.add_row(f"[bold]all {_plural(units[-1])}[/bold]", *count, *figures)
    if control is not None:
        figures = [_figure(control.metrics.get(head)) for head in heads]
        table.add_row("copy first mask", *[""] * (len(units) - 1), *figures, style="dim")
    console().print(table)
    _remarks(result, hidden=len(result.per_object) - len(listed))


def _remarks(result: BenchmarkResult, hidden: int) -> None:
    """What is not in the table, the protocol, and what stands in the way of comparing."""
    from rich.markup import escape

    out = console()
    if hidden:
        out.print(f"[dim]{hidden} rows of single {_plural(result.units[-1])} not shown[/dim]")
    if result.settings:
        settings = ", ".join(f"{key} {value}" for key, value in result.settings.items())
        out.print(f"[dim]{escape(settings)}[/dim]")
    first = result.units[0] + "s"
    measured, official = result.settings.get(first), result.settings.get(f"official_{first}")
    if official is not None and measured != official:
        out.print(
            f"[yellow]{measured} {first}, not the official {official}: "
            "not comparable with published figures[/yellow]"
        )
    for video, reason in result.failed.items():
        out.print(f"[red]failed: {escape(video)}: {escape(reason)}[/red]")


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:.3f}"


def _plural(unit: str) -> str:
    return unit[:-1] + "ies" if unit.endswith("y") else unit + ("es" if unit.endswith("s") else "s")
