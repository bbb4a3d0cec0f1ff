"""Make the tables of all runs: python analysis/make_tables.py [--runs DIR | --wandb E/P]."""

import sys

from siammae.report.make_tables import main
from siammae.system.broken_pipe import ignore_broken_pipe

if __name__ == "__main__":
    with ignore_broken_pipe():
        sys.exit(main())
