"""Tables of all runs: python analysis/make_tables.py [--runs DIR] [--out DIR].

Reads the records of runs, makes one table for each experiment and for each multirun without one,
prints them and writes Markdown, LaTeX, CSV, the runs behind each figure (JSON) and a picture.
"""

import argparse
import sys
from pathlib import Path

from figures import draw
from render import csv, latex, markdown, show, sidecar
from runs_frame import load
from selection import read_declared, select
from statistics_table import read_defaults, tabulate

from siammae.config.errors import DataError, SiammaeError
from siammae.tracking.record import write_atomic

ROOT = Path(__file__).resolve().parents[1]
HINT = "python -m siammae.train -m mask_ratio=0.9,0.95 frame_gap=4,10"


def make_tables(runs_dir: Path, out: Path, experiments: Path) -> list[Path]:
    """Write all tables; returns their files.

    Raises:
        DataError: when there is no run, or ``out`` cannot be written.
    """
    runs, skipped = load(runs_dir)
    for name, reason in skipped.items():
        print(f"skipped {runs_dir / name}: {reason}", file=sys.stderr)
    if runs.empty:
        raise DataError(f"{runs_dir} holds no run; make some with\n  {HINT}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}") from None
    defaults = read_defaults(ROOT / "configs" / "train.yaml")
    written = []
    for selected in select(runs, read_declared(experiments)):
        table = tabulate(selected, defaults)
        show(table)
        texts = {"md": markdown(table), "tex": latex(table), "csv": csv(table)}
        texts["json"] = sidecar(table, selected.runs)
        for ending, text in texts.items():
            path = out / f"{table.name}.{ending}"
            write_atomic(path, text)
            written.append(path)
        written += draw(table, out)
    return written


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=Path("tables"), help="folder for the tables")
    parser.add_argument("--experiments", type=Path, default=ROOT / "experiments")
    arguments = parser.parse_args()
    try:
        written = make_tables(arguments.runs, arguments.out, arguments.experiments)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("tables and pictures:")
    for path in written:
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
