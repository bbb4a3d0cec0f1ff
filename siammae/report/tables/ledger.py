"""The ledger of an encoder under every protocol, on the terminal and as files."""

from pathlib import Path

from siammae.evaluation.measuring.ledger import Ledger
from siammae.evaluation.measuring.metric import units_of
from siammae.report.markdown import escaped, grid
from siammae.report.tables.render import Style
from siammae.report.tables.terminal import print_grid
from siammae.system.errors import ConfigError
from siammae.system.progress import console
from siammae.system.valid_json import valid_json
from siammae.tracking.record import write_atomic

FILES = ("ledger.json", "ledger.md")
REST = "together, beyond their sum"
Lines = list[list[str]]


def figures(ledger: Ledger) -> tuple[list[str], Lines]:
    """Return a row a metric and a column a protocol."""
    metrics = [ledger.first.metric(name) for name in ledger.first.metrics]
    lines = [
        [
            metric.name + metric.unit_behind(""),
            *(metric.text(result.metrics[metric.name]) for result in ledger.results.values()),
        ]
        for metric in metrics
    ]
    return ["metric", *ledger.results], lines


def differences(ledger: Ledger, bold: Style) -> tuple[list[str], Lines]:
    """Return a row for each kind of settings and a column for each protocol but the first."""
    metric = ledger.first.metric(ledger.first.objective)
    found = [{share.kind: share.difference for share in each.shares} for each in ledger.accounts]
    kinds = dict.fromkeys(kind for each in found for kind in each)
    shown = [
        [kind, *(metric.text(each[kind], sign=True) if kind in each else "" for each in found)]
        for kind in kinds
    ]
    rest = [REST, *(metric.text(each.rest, sign=True) for each in ledger.accounts)]
    total = ["all", *(bold(metric.text(each.total, sign=True)) for each in ledger.accounts)]
    heads = [metric.name, *(each.protocol for each in ledger.accounts)]
    return heads, [*shown, rest, total]


def notes(ledger: Ledger) -> list[str]:
    """Say what each protocol sets, by kind."""
    return [
        f"{account.protocol}: "
        + "; ".join(f"{share.kind} ({', '.join(share.keys)})" for share in account.shares)
        for account in ledger.accounts
    ]


def captions(ledger: Ledger) -> tuple[str, str]:
    """Return what the two tables show."""
    first = next(iter(ledger.results))
    metrics = [ledger.first.metric(name) for name in ledger.first.metrics]
    return (
        f"figures {units_of(metrics)}",
        f"what changes from protocol {first} when one kind of settings is that of the other",
    )


def show_ledger(ledger: Ledger, label: str) -> None:
    """Print both tables."""
    from rich.markup import escape

    title = escape(f"{label} on {ledger.first.name}")
    of_figures, of_differences = captions(ledger)
    heads, lines = figures(ledger)
    print_grid(title, of_figures, heads, lines, [False] * len(lines), ())
    heads, lines = differences(ledger, lambda text: f"[bold]{text}[/bold]")
    print_grid(title, of_differences, heads, lines, [False] * len(lines), ())
    for note in notes(ledger):
        console().print(f"[dim]{escape(note)}[/dim]")


def write_ledger(ledger: Ledger, label: str, folder: Path) -> None:
    """Write ``ledger.json`` and ``ledger.md``.

    Raises:
        ConfigError: when the folder cannot be written.
    """
    content = valid_json({"encoder": label, "benchmark": ledger.first.name, **ledger.as_dict()})
    try:
        for name, text in zip(FILES, (content, _markdown(ledger, label)), strict=True):
            write_atomic(folder / name, text)
    except OSError as error:
        raise ConfigError(f"out={folder} cannot be written: {error.strerror}") from None
    print("written: " + ", ".join(str(folder / name) for name in FILES))


def _markdown(ledger: Ledger, label: str) -> str:
    tables = (figures(ledger), differences(ledger, lambda text: f"**{text}**"))
    parts = [f"## {escaped(label)} on {escaped(ledger.first.name)}"]
    for (heads, lines), caption in zip(tables, captions(ledger), strict=True):
        plain = [[escaped(line[0]), *line[1:]] for line in lines]
        parts += [grid([escaped(head) for head in heads], plain), escaped(caption)]
    parts.append("\n".join(f"- {escaped(note)}" for note in notes(ledger)))
    return "\n\n".join(parts) + "\n"
