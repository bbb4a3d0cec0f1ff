"""Report an Optuna study: python analysis/sweep_report.py STUDY [--storage URL] [--out DIR]."""

import sys

from siammae.report.studies.sweep_report import main
from siammae.system.broken_pipe import ignore_broken_pipe

if __name__ == "__main__":
    with ignore_broken_pipe():
        sys.exit(main())
