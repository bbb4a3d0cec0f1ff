"""Draw calibration curves of runs: python analysis/calibration_curves.py RUN [RUN ...]."""

import sys

from siammae.report.figures.calibration_curves import main
from siammae.system.broken_pipe import ignore_broken_pipe

if __name__ == "__main__":
    with ignore_broken_pipe():
        sys.exit(main())
