"""Writes a table as text: rows of cells, Markdown, LaTeX and CSV."""

import re
from collections.abc import Callable

import pandas as pd

from siammae.evaluation.measuring.metric import Metric
from siammae.report.markdown import escaped, grid
from siammae.report.tables.captions import MARK
from siammae.report.tables.metric_names import same_elsewhere
from siammae.report.tables.parts import parts
from siammae.report.tables.selection import OTHER_CODE, SECOND_HAND
from siammae.report.tables.statistics_table import Table
from siammae.system.foreign_text import one_line

Style = Callable[[str], str]


def cells(
    table: Table, bold: Style, escape: Style = str, narrow: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of text, with the best in bold and the default setting marked.

    Args:
        table: what to show.
        bold: how.
        escape: of the text of a label or head.
        narrow: with the paper's figures of the deciding metric alone, for a terminal's width.
    """
    metric = table.objective
    compared = [m for m in same_elsewhere(table.metrics) if table.rows[f"{m}/diff"].notna().any()]
    paper = [each for each in table.paper if not narrow or each == metric]
    heads = ["setting"]
    for each in table.metrics:
        heads += [each.head, *([f"Δ {each.head}"] if each in compared else [])]
    heads += ["n", *(f"paper {each.head}" for each in paper)]
    lines = []
    for index, row in table.rows.iterrows():
        label = escape(label_of(row))
        line = [label, _mean(row, metric, True)]
        if index in table.best:
            line = [bold(text) for text in line]
        line += [_difference(row, metric)] if metric in compared else []
        for each in table.metrics[1:]:
            line += [_mean(row, each), *([_difference(row, each)] if each in compared else [])]
        line += [str(row["n"])]
        line += [_paper(row, each) for each in paper]
        lines.append(line)
    return [escape(head) for head in heads], lines


def label_of(row: pd.Series) -> str:
    """Return the label of a row with its marks: the default, and code other than the newest."""
    default = " (default)" if row["default"] else ""
    return f"{row['label']}{default}{OTHER_CODE if row['other_code'] else ''}"


def _mean(row: pd.Series, metric: Metric, spread: bool = False) -> str:
    """Write a mean, with its standard deviation and interval when asked for and known."""
    mean, deviation = row[metric.name], row[f"{metric}/std"]
    if pd.isna(mean):
        return ""
    text = metric.text(mean)
    if not spread or pd.isna(deviation):
        return text
    return f"{text} ± {metric.text(deviation)} {_interval(row, metric, '')}"


def _difference(row: pd.Series, metric: Metric) -> str:
    """Write the paired difference from the default, its interval, and the mark."""
    if pd.isna(row[f"{metric}/diff"]):
        return ""
    mark = MARK if row[f"{metric}/mark"] else ""
    return f"{metric.text(row[f'{metric}/diff'], True)}{mark} {_interval(row, metric, 'diff_')}"


def _interval(row: pd.Series, metric: Metric, of: str) -> str:
    low, high = (metric.text(row[f"{metric}/{of}{end}"], bool(of)) for end in ("low", "high"))
    return f"[{low}, {high}]"


def _paper(row: pd.Series, metric: Metric) -> str:
    """Write the paper's figure, which stands in the unit of its table."""
    value = row[f"paper/{metric}"]
    mark = SECOND_HAND if row["paper_second_hand"] else ""
    return "" if pd.isna(value) else f"{value:.{metric.digits}f}{mark}"


def sidecar_name(name: str) -> str:
    """Return the name of the file that says what is behind each figure of a table."""
    return f"{name}.json"


def markdown(table: Table) -> str:
    """Return a table as GitHub's Markdown."""
    bodies = []
    for group, part in parts(table):
        heads, lines = cells(part, lambda text: f"**{text}**", _escape_markdown)
        title = f"### {_escape_markdown(group)}\n\n" if group else ""
        bodies.append(title + grid(heads, lines))
    return markdown_page(
        table.name, table.question, "\n\n".join(bodies), table.caption, table.notes
    )


def _escape_markdown(text: str) -> str:
    return escaped(text).replace(MARK, f"\\{MARK}")


def markdown_page(name: str, question: str, body: str, caption: str, notes: list[str]) -> str:
    """Return one or several tables as Markdown with title, caption and notes."""
    listed = "".join(f"\n- {escaped(note)}" for note in notes)
    title = f"## {name}\n\n" + (f"{escaped(question)}\n\n" if question else "")
    behind = sidecar_name(name)
    footer = f"Runs, seeds, commits and files behind each figure: [{behind}]({behind})"
    return f"{title}{body}\n\n{escaped(caption)}\n{listed}\n\n{footer}\n"


def latex(table: Table) -> str:
    """Return a table for LaTeX's booktabs, without any further package."""
    bodies = []
    for group, part in parts(table):
        heads, lines = cells(part, lambda text: f"\\textbf{{{text}}}", escape_latex)
        lines = [[line[0], *map(_latex_figures, line[1:])] for line in lines]
        control = [i for i, row in enumerate(part.rows["control"]) if row]
        body = latex_grid(heads, lines, control[0] if control else None)
        bodies.append(f"\\textbf{{{escape_latex(group)}}}\\\\[2pt]\n{body}" if group else body)
    caption = " ".join([table.question, table.caption]).strip()
    return latex_page(table.name, "\n\\\\[6pt]\n".join(bodies), caption, table.notes)


def _latex_figures(cell: str) -> str:
    """Return a cell with signs, marks and ± as LaTeX sets them."""
    signed = re.sub(r"[+-][\d.]+", lambda found: f"${found[0]}$", cell.replace("±", "$\\pm$"))
    return signed.replace(MARK, f"$^{{{MARK}}}$")


def latex_grid(heads: list[str], lines: list[list[str]], control: int | None) -> str:
    """Return rows of text as a tabular of booktabs, with a rule before the row ``control``."""
    body = []
    for number, line in enumerate(lines):
        if number == control and number:
            body.append("\\midrule")
        # After \\\\ LaTeX takes a [ or * for an argument of it.
        guard = "{}" if line[0].startswith(("[", "*")) else ""
        body.append(guard + " & ".join(line) + " \\\\")
    return (
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n"
        f"\\toprule\n{' & '.join(heads)} \\\\\n\\midrule\n"
        + "\n".join(body)
        + "\n\\bottomrule\n\\end{tabular}"
    )


def latex_page(name: str, body: str, caption: str, notes: list[str]) -> str:
    """Return a float with its tabulars, caption and notes."""
    comments = "".join(f"% {one_line(note)}\n" for note in notes)
    return (
        f"{comments}\\begin{{table}}\n\\centering\n{body}\n\\caption{{{escape_latex(caption)}}}\n"
        f"\\label{{tab:{name}}}\n\\end{{table}}\n"
        f"% runs, seeds, commits and files behind each figure: {sidecar_name(name)}\n"
    )


def escape_latex(text: str) -> str:
    """Escape characters that have a meaning in LaTeX."""
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "±": "$\\pm$",
        "Δ": "$\\Delta$",
        OTHER_CODE: "$^\\dagger$",
        SECOND_HAND: "$^\\ddagger$",
    }
    return "".join(special.get(character, character) for character in text)


def csv(table: Table) -> str:
    """Return full figures, a row for each setting, with its runs and the sidecar in the last
    columns.

    Of a table in parts the first column names the part; what stands in all of them is repeated.
    """
    frame = pd.concat([_full(group, part) for group, part in parts(table)])
    for axis in table.axes:
        frame[axis] = [setting.get(axis) for setting in frame["setting"]]
    frame["signatures"] = frame["signatures"].map(" ".join)
    frame["behind"] = sidecar_name(table.name)
    return frame.drop(columns="setting").to_csv(index=False)


def _full(group: str, part: Table) -> pd.DataFrame:
    frame = part.rows.copy()
    place = int(frame.columns.get_loc("label")) + 1  # type: ignore[arg-type]
    frame.insert(place, "best", [index in part.best for index in frame.index])
    return frame.assign(group=group) if group else frame
