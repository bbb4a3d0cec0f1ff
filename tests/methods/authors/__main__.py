"""Compare a method with its authors' code: python -m tests.methods.authors METHOD FOLDER."""

import argparse
import sys
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

from siammae.launching.registration import register_with_hydra
from tests.methods.authors.comparison import TOLERANCE, Report

METHODS = ("cropmae", "rsp", "tobo", "catmae", "mae", "mae_st", "dino")


def main() -> int:
    """Print how a method agrees; return 1 where it does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.methods.authors", description=__doc__)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("folder", type=Path, help="a checkout of the authors' code")
    given = parser.parse_args()
    register_with_hydra()
    module = import_module(f"tests.methods.authors.{given.method}")
    print(f"{given.method} and {module.CODE}, written for commit {module.COMMIT}")
    for apart in module.APART:
        print(f"  {apart}")
    with redirect_stdout(StringIO()):  # their models print as they are built
        found = list(module.reports(given.folder.resolve()))
    print(*map(text, found), sep="\n")
    return int(not all(report.agrees for report in found))


def text(report: Report) -> str:
    """Return the lines of a case."""
    verdict = "agree" if report.agrees else f"DIFFER by more than {TOLERANCE:g}"
    losses = "loss {:.12f}, theirs {:.12f}".format(*report.losses)
    largest = report.gradients[report.worst]
    lines = [
        f"{report.title}: {verdict}",
        f"  {losses}, relative difference {report.loss_difference:.1e}",
        f"  gradients of {len(report.gradients)} parameters, {report.parameters} of theirs",
        f"  largest relative difference {largest:.1e}, of {report.worst}",
    ]
    if report.visible is not None:
        shown = "visible patches at the paper's size {}, theirs {}"
        lines.append(f"  {shown.format(*report.visible)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
