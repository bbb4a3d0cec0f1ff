"""Report an Optuna study: python analysis/sweep_report.py STUDY. Without STUDY, list all studies.

It prints the best trials and the importance of each parameter. It writes both as Markdown and CSV,
pictures as PNG, and ``index.html``, one page with all of it.
"""

import argparse
import base64
import html
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from siammae.launching.studies.storage import (
    failures,
    open_storage,
    reason_of,
    without_password,
)
from siammae.report.markdown import escaped, grid
from siammae.report.studies.figures import draw_study
from siammae.report.studies.frame import StudyFrame, importance, read_study
from siammae.system.errors import DataError, SiammaeError
from siammae.system.foreign_text import as_file_name
from siammae.system.printable import printable
from siammae.system.progress import console
from siammae.tracking.record import write_atomic

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

STORAGE = "sqlite:///runs/.studies.db"
SHOWN = 10  # best trials in the table; all are in the CSV
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; font-size: 0.9rem } img { max-width: 100% }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left } .wide { overflow-x: auto }
"""
TITLES = {
    "history": "History",
    "pareto": "Pareto front",
    "importance": "Importance",
    "slices": "Slices",
    "contour": "Contour",
    "curves": "Curves",
}


def report(study: "Study", out: Path) -> list[Path]:
    """Write the report of a study into ``out``; returns its files.

    Raises:
        DataError: when no trial has ended yet, or ``out`` cannot be written.
    """
    frame = read_study(study)
    if frame.complete.empty:
        raise DataError(
            f"study {frame.name} has no complete trial yet ({frame.states() or 'none'})"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None
    method, shares = importance(study, frame)
    tables = {title(frame): best(frame), f"Importance by {method}": share_table(shares)}
    for name, table in tables.items():
        show(name, table)
    pictures = draw_study(study, frame, (method, shares), out)
    texts = {
        "report.md": markdown(frame, tables, pictures),
        "trials.csv": frame.trials.to_csv(index=False),
        "index.html": page(frame, tables, pictures),
    }
    for name, text in texts.items():
        write_atomic(out / name, text)
    return [*pictures.values(), *(out / name for name in texts)]


def title(frame: StudyFrame) -> str:
    """Return the title of the table of trials."""
    return "Best trials" if len(frame.objectives) == 1 else "Pareto front, cheapest first"


def best(frame: StudyFrame) -> pd.DataFrame:
    """Return the best trials as text: number, objectives, parameters, run."""
    rows = frame.ranked() if len(frame.objectives) > 1 else frame.ranked().head(SHOWN)
    columns = ["number", *frame.objectives, *frame.params, "run"]
    return rows[columns].rename(columns={"number": "trial"}).map(_text)


def share_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Return importance with a row for each parameter and a column for each objective, sorted by
    the first."""
    if shares.empty:
        return pd.DataFrame()
    wide = shares.pivot(index="parameter", columns="objective", values="importance")
    wide = wide[list(dict.fromkeys(shares["objective"]))]
    ordered = wide.sort_values(wide.columns[0], ascending=False).reset_index()
    ordered.columns.name = None
    return ordered.map(_text)


def show(name: str, table: pd.DataFrame) -> None:
    """Print a data frame as a table on the terminal."""
    from rich.markup import escape
    from rich.table import Table

    if table.empty:
        return
    shown = Table(title=escape(printable(name)), title_justify="left")
    for column in table.columns:
        shown.add_column(escape(printable(column)), overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*(escape(printable(cell)) for cell in row))
    console().print(shown)


def markdown(frame: StudyFrame, tables: dict[str, pd.DataFrame], pictures: dict[str, Path]) -> str:
    """Return the report as Markdown, with links to the pictures beside it."""
    parts = [f"# {escaped(frame.name)}", f"{len(frame.trials)} trials: {frame.states()}"]
    for name, table in tables.items():
        if not table.empty:
            heads, lines = map(escaped, table.columns), table.map(escaped).to_numpy().tolist()
            parts += [f"## {escaped(name)}", grid(list(heads), lines)]
    parts += [f"## {TITLES[name]}\n\n![{name}]({path.name})" for name, path in pictures.items()]
    return "\n\n".join(parts) + "\n"


def page(frame: StudyFrame, tables: dict[str, pd.DataFrame], pictures: dict[str, Path]) -> str:
    """Return the report as one HTML page that needs no other file."""
    name = html.escape(printable(frame.name))
    parts = [f"<h1>{name}</h1><p>{len(frame.trials)} trials: {html.escape(frame.states())}</p>"]
    for heading, table in tables.items():
        if not table.empty:
            body = printable(table.to_html(index=False, border=0, escape=True))
            parts.append(f"<h2>{html.escape(heading)}</h2><div class=wide>{body}</div>")
    for key, path in pictures.items():
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(f'<h2>{TITLES[key]}</h2><img alt="{key}" src="data:image/png;base64,{data}">')
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def find_study(storage: "BaseStorage", name: str, url: str) -> "Study":
    """Find the study with a name, or the only one whose name begins with it.

    Raises:
        DataError: naming those that there are.
    """
    import optuna

    names = optuna.get_all_study_names(storage=storage)
    found = [name] if name in names else [known for known in names if known.startswith(name)]
    if len(found) != 1:
        what = "several studies begin with" if found else "there is no study"
        listed = ", ".join(sorted(found or names)) or "none"
        raise DataError(f"{what} {name} in {without_password(url)}; there are: {listed}")
    return optuna.load_study(study_name=found[0], storage=storage)


def chosen_study(url: str, name: str | None) -> "Study | None":
    """Return the study of a name; without a name, list all studies and return None.

    Raises:
        DataError: when there is none, or the storage is damaged.
    """
    try:
        storage = existing(url)
        if name is None:
            list_studies(storage, url)
            return None
        study = find_study(storage, name, url)
        read_study(study)  # damage of a trial shows when it is read
        return study
    except failures() as error:
        raise DataError(
            f"storage {without_password(url)} cannot be read, it is damaged ({reason_of(error)})"
        ) from None


def list_studies(storage: "BaseStorage", url: str) -> None:
    """Print a row for each study of the storage."""
    import optuna

    rows = []
    for name in sorted(optuna.get_all_study_names(storage=storage)):
        frame = read_study(optuna.load_study(study_name=name, storage=storage))
        top = frame.ranked().head(1) if len(frame.objectives) == 1 else frame.complete.iloc[:0]
        value = _text(top[frame.objectives[0]].iloc[0]) if len(top) else ""
        rows.append((name, str(len(frame.trials)), frame.states(), value))
    if not rows:
        raise DataError(
            f"{without_password(url)} holds no study; python -m siammae.train -m sweeps=masking"
        )
    columns = ["study", "trials", "states", "best"]
    show(f"Studies in {without_password(url)}", pd.DataFrame(rows, columns=columns))


def existing(url: str) -> "BaseStorage":
    """Open a storage that is there, without creating it.

    Raises:
        DataError: when its file is not there.
    """
    scheme, separator, path = url.partition(":///")
    if separator and scheme in ("sqlite", "journal") and not Path(path).is_file():
        raise DataError(f"{path} is not there: no study was kept in it; name it with --storage URL")
    return open_storage(url)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else str(value)


def main() -> int:
    """Entry point."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "study",
        nargs="?",
        help="name of the study, or its beginning; without one all studies are listed",
    )
    parser.add_argument("--storage", default=STORAGE, help=f"URL of the studies ({STORAGE})")
    parser.add_argument("--out", type=Path, help="folder to write to (studies/STUDY)")
    given = parser.parse_args()
    try:
        study = chosen_study(given.storage, given.study)
        if study is None:
            return 0
        written = report(study, given.out or Path("studies") / as_file_name(study.study_name))
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("report:")
    for path in written:
        print(f"  {path}")
    return 0
