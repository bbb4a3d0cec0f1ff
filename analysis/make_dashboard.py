"""Make a W&B workspace and report: python analysis/make_dashboard.py ENTITY/PROJECT [--dry-run]."""

import sys

from siammae.report.wandb.dashboard import main
from siammae.system.broken_pipe import ignore_broken_pipe

if __name__ == "__main__":
    with ignore_broken_pipe():
        sys.exit(main())
