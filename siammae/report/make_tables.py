"""Make the tables and figures of all runs: python analysis/make_tables.py.

It reads the records of runs and the results of siammae.evaluate, and makes one table for each
experiment, for each multirun without one, and for each setting of a benchmark. The tables are
printed and written as Markdown, LaTeX, CSV and JSON (the runs behind each figure), those of runs as
pictures, too. ``index.html`` shows all of them on one page. ``--explain decoder/joint/jf`` writes
nothing and prints the runs behind one figure. ``siammae.report.tables.intervals`` explains how
figures are compared.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from siammae.config.experiment import read_experiments
from siammae.report.page.page import Section, write_page
from siammae.report.page.sections import section_of_encoders, section_of_runs
from siammae.report.tables.captions import unfinished
from siammae.report.tables.evaluations import load_evaluations, show_evaluated, texts
from siammae.report.tables.explain import Tables, explain
from siammae.report.tables.render import csv, latex, markdown
from siammae.report.tables.runs_frame import load
from siammae.report.tables.selection import select
from siammae.report.tables.sidecar import sidecar
from siammae.report.tables.statistics_table import read_defaults, tabulate
from siammae.report.tables.terminal import show
from siammae.report.wandb.snapshot import pull, read_snapshot, report_source
from siammae.system.errors import DataError, SiammaeError
from siammae.system.paths import ROOT
from siammae.tracking.record import write_atomic

HINT = "python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10"


def make_tables(
    runs_dir: Path, out: Path, experiments: Path, evaluations: Path | None = None
) -> list[Path]:
    """Write all tables and figures; return their files.

    Args:
        runs_dir: folder of the runs.
        out: folder for the tables.
        experiments: folder of the declared experiments.
        evaluations: results of siammae.evaluate; None: where it keeps them beside the runs.

    Raises:
        DataError: when there is no run and no result, or ``out`` cannot be written.
    """
    runs = load_runs(runs_dir)
    measured = load_evaluations(evaluations or runs_dir / ".evaluations")
    if runs.empty and not measured:
        raise _no_run(runs_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None
    written, sections, without = tables_of_runs(runs, runs_dir, out, experiments)
    for evaluated in measured:
        show_evaluated(evaluated)
        files = write_texts(out, evaluated.name, texts(evaluated))
        sections.append(section_of_encoders(evaluated, files))
        written += files
    return [*written, write_page(out, sections, without)]


def _no_run(runs_dir: Path) -> DataError:
    """Say that a folder has no run, or none that can be read, of which each was named before."""
    records = list(runs_dir.glob("*/config.yaml")) if runs_dir.is_dir() else []
    if records:
        return DataError(f"{runs_dir} holds {len(records)} records, and none of them can be read")
    return DataError(f"{runs_dir} holds no run; make some with\n  {HINT}")


def load_runs(runs_dir: Path) -> pd.DataFrame:
    """Read the runs of a folder, and report on stderr what was skipped."""
    runs, skipped = load(runs_dir)
    for name, reason in skipped.items():
        print(f"skipped {runs_dir / name}: {reason}", file=sys.stderr)
    return runs


def tabulated(runs: pd.DataFrame, experiments: Path) -> tuple[Tables, dict[str, str]]:
    """Return the table of each experiment and multirun, and the names of those without a finished
    run."""
    defaults = read_defaults(ROOT / "configs" / "train.yaml")
    selected = select(runs, read_experiments(experiments))
    tables = [(each, tabulate(each, defaults)) for each in selected if each.finished]
    return tables, {each.name: unfinished(each) for each in selected if not each.finished}


def tables_of_runs(
    runs: pd.DataFrame, runs_dir: Path, out: Path, experiments: Path
) -> tuple[list[Path], list[Section], list[str]]:
    """Write the tables of runs; return files, sections of the page, and names without a table
    yet."""
    if runs.empty:
        return [], [], []
    from siammae.report.figures.figures import (
        draw,  # seaborn takes seconds, and tables of encoders have no pictures
    )

    written: list[Path] = []
    sections: list[Section] = []
    tables, without = tabulated(runs, experiments)
    for selected, table in tables:
        show(table)
        found = {"md": markdown(table), "tex": latex(table), "csv": csv(table)}
        files = write_texts(out, table.name, {**found, "json": sidecar(table, selected)})
        drawn = draw(table, selected.runs, runs_dir, out)
        sections.append(section_of_runs(table, selected.runs, runs_dir, files, drawn))
        written += files + [path for picture in drawn for path in picture.paths]
    for line in without.values():
        print(line)
    return written, sections, list(without.values())


def explained(runs_dir: Path, experiments: Path, cell: str) -> str:
    """Return what is behind a cell of the tables of runs, as text.

    Raises:
        DataError: when there is no run or no such cell.
    """
    runs = load_runs(runs_dir)
    if runs.empty:
        raise _no_run(runs_dir)
    tables, without = tabulated(runs, experiments)
    name = cell.partition("/")[0]
    if name in without:
        raise DataError(without[name])
    return explain(tables, cell)


def write_texts(out: Path, name: str, found: dict[str, str]) -> list[Path]:
    """Write a text for each file ending."""
    written = []
    for ending, text in found.items():
        path = out / f"{name}.{ending}"
        write_atomic(path, text)
        written.append(path)
    return written


def runs_of_wandb(source: str | None, place: Path | None, offline: bool) -> Path:
    """Return the runs' folder of a snapshot, which is updated from W&B unless ``offline``.

    Raises:
        DataError: when W&B cannot be read, or there is no snapshot to use offline.
    """
    place = place or Path("snapshots") / str(source)
    snapshot = read_snapshot(place) if offline else pull(str(source), place)
    if snapshot is None:
        raise DataError(f"{place} holds no snapshot; make one without --offline")
    if source is not None and snapshot.source != source:
        raise DataError(f"{place} is a snapshot of {snapshot.source}, not of {source}")
    report_source(snapshot, place)
    return place / snapshot.folder


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs (runs)")
    parser.add_argument(
        "--out", type=Path, default=Path("tables"), help="folder to write to (tables)"
    )
    parser.add_argument(
        "--experiments",
        type=Path,
        default=ROOT / "experiments",
        help="folder of the files that declare experiments (experiments)",
    )
    parser.add_argument(
        "--evaluations",
        type=Path,
        help="results_dir that siammae.evaluate wrote to (RUNS/.evaluations)",
    )
    parser.add_argument(
        "--explain",
        metavar="CELL",
        help="print the runs behind one figure, named as TABLE/ROW/METRIC such as decoder/joint/jf",
    )
    parser.add_argument(
        "--wandb",
        metavar="ENTITY/PROJECT",
        help="read the runs of this W&B project instead of --runs",
    )
    parser.add_argument(
        "--snapshot", type=Path, help="folder for the runs read from W&B (snapshots/ENTITY/PROJECT)"
    )
    parser.add_argument(
        "--offline", action="store_true", help="use the snapshot as it is, without a network"
    )
    given = parser.parse_args()
    if given.wandb is None and (given.snapshot or given.offline):
        parser.error("--snapshot and --offline belong to --wandb ENTITY/PROJECT")
    try:
        if given.wandb is not None:
            given.runs = runs_of_wandb(given.wandb, given.snapshot, given.offline)
        if given.explain is not None:
            print(explained(given.runs, given.experiments, given.explain))
            return 0
        written = make_tables(given.runs, given.out, given.experiments, given.evaluations)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("tables and pictures:")
    for path in written:
        print(f"  {path}")
    return 0
