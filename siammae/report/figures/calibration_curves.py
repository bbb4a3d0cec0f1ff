"""Draw the calibration curves of runs: python analysis/calibration_curves.py RUN [RUN ...].

RUN is the folder of a run that was measured with benchmark=calibration (or a suite with it), a
result.json of siammae.evaluate, or one of the results that it keeps. NAME=RUN calls it NAME in the
legend. Without RUN, all results of siammae.evaluate in runs/.evaluations are drawn. The stored
results are drawn, nothing is measured again.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from siammae.evaluation.result_cache import CONTROL
from siammae.report.figures.calibration import Curves, draw_curves
from siammae.report.figures.figure_data import wrapped
from siammae.report.figures.styles import palette
from siammae.system.errors import DataError, SiammaeError
from siammae.system.foreign_json import read_object
from siammae.tracking.record import RunRecord

KEPT = Path("runs/.evaluations")  # results_dir of siammae.evaluate


def read(name: str) -> tuple[str, Curves]:
    """Read the curves of a run or of a kept result, and a name for the legend.

    Raises:
        DataError: when there is nothing of calibration.
    """
    label, path = None, Path(name)
    if not path.exists() and "=" in name:
        label, _, rest = name.partition("=")
        path = Path(rest)
    try:
        own, rows = _of_run(path) if path.is_dir() else _of_file(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no run and no result of siammae.evaluate: {error!r}") from None
    curves = Curves.of(rows)
    if curves is None:
        raise DataError(
            f"{path} was not measured with benchmark=calibration; measure it with\n"
            f"  python -m siammae.evaluate checkpoint={path} benchmark=calibration out=FOLDER"
        )
    return label or own, curves


def _of_run(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Name a run by its signature and the settings that its command gave."""
    record = RunRecord(folder)
    asked = record.invocations()
    given = [f"{key}={value}" for key, value in (asked[-1]["overrides"] if asked else {}).items()]
    chosen = [
        setting for setting in given if setting.startswith(("uncertainty", "masking", "seed"))
    ]
    rows = (record.summary().get("benchmark") or {}).get("per_object") or []
    return " ".join([record.signature, *chosen]), rows


def _of_file(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """Name a kept result by its label, and a ``result.json`` by its folder."""
    content = read_object(path.read_bytes())
    if "result" in content:
        result = content["result"]
        label = result["control"] if content["label"] == CONTROL else content["label"]
        return str(label), list(result["per_object"])
    return path.absolute().parent.name, list(content["per_object"])


def draw(names: list[str], out: Path) -> Path:
    """Write the figure.

    Raises:
        DataError: when there is nothing to draw, or ``out`` cannot be written.
    """
    found = dict(enumerate(read(name) for name in names))
    if not found:
        raise DataError(f"no RUN is given, and {KEPT} holds no result of benchmark=calibration")
    looks = dict(enumerate(palette(len(found))))
    labels = {key: wrapped(label) for key, (label, _) in found.items()}
    figure = draw_curves({key: curves for key, (_, curves) in found.items()}, labels, looks)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=150)
    except (OSError, ValueError) as error:
        raise DataError(f"--out {out} cannot be written: {error}") from None
    return out


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folder of a run, or a result; NAME=RUN names it in the legend",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("tables/calibration.png"),
        help="picture to write (tables/calibration.png)",
    )
    given = parser.parse_args()
    kept = [str(path) for path in sorted(KEPT.glob("calibration-*.json"))]
    try:
        print(draw(given.runs or kept, given.out))
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
