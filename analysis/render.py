"""A table as text: for the terminal, Markdown, LaTeX, CSV and JSON."""

import json
from collections.abc import Callable

import pandas as pd
from statistics_table import LOSS, Table

from siammae.tracking.progress import console

PIXELS = "(px)"  # how names of metrics end that are no shares
Style = Callable[[str], str]


def cells(table: Table, bold: Style, escape: Style = str) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of text; the best in bold, the default setting marked."""
    has_paper = table.rows["paper"].notna().any()
    heads = ["setting", *(head(metric) for metric in table.metrics), "n"]
    heads += ["paper J&F"] if has_paper else []
    lines = []
    for index, row in table.rows.iterrows():
        label = escape(row["label"] + (" (default)" if row["default"] else ""))
        line = [label, *(_figure(row, metric) for metric in table.metrics), str(row["n"])]
        if has_paper:
            line.append("" if pd.isna(row["paper"]) else f"{row['paper']:.1f}")
        if index == table.best:
            column = 1 + table.metrics.index(table.objective)
            line[0], line[column] = bold(line[0]), bold(line[column])
        lines.append(line)
    return [escape(head) for head in heads], lines


def head(metric: str) -> str:
    """A metric's name in a table: J&F for J&F-Mean, loss for train/loss."""
    return "loss" if metric == LOSS else metric.removesuffix("-Mean")


def scale(metric: str) -> tuple[int, int]:
    """Factor and decimals of a metric's figures: shares in percent, losses and pixels as are."""
    if metric == LOSS:
        return 1, 3
    return (1, 2) if metric.endswith(PIXELS) else (100, 1)


def _figure(row: pd.Series, metric: str) -> str:
    """A mean, with its spread when there is one."""
    mean, spread = row[metric], row[f"{metric}/std"]
    if pd.isna(mean):
        return ""
    factor, digits = scale(metric)
    text = f"{mean * factor:.{digits}f}"
    return text if pd.isna(spread) else f"{text} ± {spread * factor:.{digits}f}"


def markdown(table: Table) -> str:
    """GitHub's tables."""
    heads, lines = cells(table, lambda text: f"**{text}**", lambda text: text.replace("|", "\\|"))
    return markdown_page(
        table.name, table.question, heads, lines, table.caption, [n.strip() for n in table.notes]
    )


def markdown_page(
    name: str,
    question: str,
    heads: list[str],
    lines: list[list[str]],
    caption: str,
    notes: list[str],
) -> str:
    """A table of text with its title, caption and notes."""
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    listed = "".join(f"\n- {note}" for note in notes)
    title = f"## {name}\n\n" + (f"{question}\n\n" if question else "")
    return f"{title}{body}\n\n{caption}\n{listed}\n"


def latex(table: Table) -> str:
    """A table for booktabs; needs no package beside it."""
    heads, lines = cells(table, lambda text: f"\\textbf{{{text}}}", escape_latex)
    lines = [[cell.replace(" ± ", " $\\pm$ ") for cell in line] for line in lines]
    control = [i for i, row in enumerate(table.rows["control"]) if row]
    caption = " ".join([table.question, table.caption]).strip()
    return latex_page(
        table.name, heads, lines, control[0] if control else None, caption, table.notes
    )


def latex_page(
    name: str,
    heads: list[str],
    lines: list[list[str]],
    control: int | None,
    caption: str,
    notes: list[str],
) -> str:
    """A table of text for booktabs; a rule before the row ``control``."""
    body = []
    for number, line in enumerate(lines):
        if number == control and number:
            body.append("\\midrule")
        body.append(" & ".join(line) + " \\\\")
    told = "".join(f"% {note}\n" for note in notes)
    return (
        f"{told}\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n"
        f"\\toprule\n{' & '.join(heads)} \\\\\n\\midrule\n"
        + "\n".join(body)
        + f"\n\\bottomrule\n\\end{{tabular}}\n\\caption{{{escape_latex(caption)}}}\n"
        f"\\label{{tab:{name}}}\n\\end{{table}}\n"
    )


def escape_latex(text: str) -> str:
    """Characters that mean something to LaTeX, made plain."""
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "±": "$\\pm$",
    }
    return "".join(special.get(character, character) for character in text)


def csv(table: Table) -> str:
    """Full figures, one row a setting; the runs behind a row in the last column."""
    frame = table.rows.copy()
    frame.insert(1, "best", [index == table.best for index in frame.index])
    for axis in table.axes:
        frame[axis] = [setting.get(axis) for setting in frame["setting"]]
    frame["signatures"] = frame["signatures"].map(" ".join)
    return frame.drop(columns="setting").to_csv(index=False)


def sidecar(table: Table, runs: pd.DataFrame) -> str:
    """Where each figure comes from: signatures, seeds, commits and commands of the runs."""
    facts = runs.set_index("signature")[["seed", "commit", "code_version", "command", "state"]]
    behind = {
        row["label"]: {name: facts.loc[name].to_dict() for name in row["signatures"]}
        for _, row in table.rows.iterrows()
    }
    content = {"table": table.name, "caption": table.caption, "notes": table.notes, "rows": behind}
    return json.dumps(content, indent=1, default=str)


def show(table: Table) -> None:
    """Print with rich, whole, whatever the width of the terminal."""
    from rich.markup import escape
    from rich.table import Table as RichTable

    heads, lines = cells(table, lambda text: f"[bold]{text}[/bold]", escape)
    shown = RichTable(title=table.name, caption=escape(table.caption), title_justify="left")
    for i, head in enumerate(heads):
        shown.add_column(head, justify="left" if i == 0 else "right", no_wrap=i > 0)
    for line, control in zip(lines, table.rows["control"], strict=True):
        shown.add_row(*line, style="dim" if control else None)
    out = console()
    if table.question:
        out.print(escape(table.question))
    out.print(shown)
    for note in table.notes:
        out.print(f"[dim]{escape(note)}[/dim]")
