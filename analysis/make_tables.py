"""Tables of all runs: python analysis/make_tables.py [--runs DIR | --wandb E/P] [--out DIR]."""

import sys

from siammae.report.make_tables import main
from siammae.system.broken_pipe import lasting

if __name__ == "__main__":
    sys.exit(lasting(main))
