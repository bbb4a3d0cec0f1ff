"""A study's report: python analysis/sweep_report.py STUDY [--storage URL] [--out DIR]."""

import sys

from siammae.report.studies.sweep_report import main
from siammae.system.broken_pipe import lasting

if __name__ == "__main__":
    sys.exit(lasting(main))
