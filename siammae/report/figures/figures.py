"""Draws a table in every kind of figure that suits it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from siammae.report.figures.bars import bars
from siammae.report.figures.calibration import calibration
from siammae.report.figures.curves import curve
from siammae.report.figures.drawn import Drawn
from siammae.report.figures.figure_data import Picture, Subject
from siammae.report.figures.heatmap import heatmap
from siammae.report.figures.histories import read_histories
from siammae.report.figures.quality_speed import quality_speed
from siammae.report.figures.training_curves import training_curves
from siammae.report.tables.statistics_table import Table

KINDS: dict[str, Callable[[Subject], Picture | None]] = {
    "": bars,
    ".curve": curve,
    ".heatmap": heatmap,
    ".training": training_curves,
    ".speed": quality_speed,
    ".calibration": calibration,
}
ENDINGS = ("png", "pdf")


def draw(table: Table, runs: pd.DataFrame, runs_dir: Path, folder: Path) -> list[Drawn]:
    """Write NAME.png and NAME.pdf, and NAME.KIND.png and .pdf of further kinds.

    Args:
        table: what is drawn; nothing for one without a trained row.
        runs: the runs of the table, as `load` has them.
        runs_dir: folder of the runs, for their histories.
        folder: where to write.
    """
    names = runs["benchmark"].dropna()
    used = sorted({name for names in table.rows["signatures"] for name in names})
    histories = read_histories(runs_dir, used)
    rows = dict(zip(runs["signature"], runs["per_object"], strict=True))
    subject = Subject(table, str(names.iloc[-1]) if len(names) else None, histories, rows)
    found = []
    for kind, picture_of in KINDS.items():
        picture = picture_of(subject)
        paths = [folder / f"{table.name}{kind}.{ending}" for ending in ENDINGS]
        if picture is None:
            for stale in paths:
                stale.unlink(missing_ok=True)
            continue
        for path in paths:
            picture.figure.savefig(path, dpi=150)
        found.append(Drawn(picture.caption, paths))
    return found
