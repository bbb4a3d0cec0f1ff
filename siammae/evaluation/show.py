"""A benchmark's result on the terminal."""

from siammae.evaluation.result import BenchmarkResult
from siammae.tracking.progress import console


def show_result(result: BenchmarkResult, title: str) -> None:
    """The global figures, the figures of each object, and the protocol."""
    from rich.table import Table

    heads = list(result.metrics)
    table = Table(title=title, title_justify="left")
    table.add_column("sequence")
    table.add_column("object", justify="right")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in result.per_object:
        figures = [f"{row[head]:.3f}" if head in row else "" for head in heads]
        table.add_row(str(row["sequence"]), str(row["object"]), *figures)
    table.add_section()
    mean = [f"[bold]{result.metrics[head]:.3f}[/bold]" for head in heads]
    table.add_row("[bold]all objects[/bold]", str(len(result.per_object)), *mean)
    out = console()
    out.print(table)
    if result.settings:
        settings = ", ".join(f"{key} {value}" for key, value in result.settings.items())
        out.print(f"[dim]{settings}[/dim]")
    measured, official = result.settings.get("sequences"), result.settings.get("official_sequences")
    if official is not None and measured != official:
        out.print(
            f"[yellow]{measured} sequences, not the official {official}: "
            "not comparable with published figures[/yellow]"
        )
