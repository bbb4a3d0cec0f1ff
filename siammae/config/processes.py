"""Which of the processes that torchrun started this one is, told by the environment alone."""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def launched() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, started several processes."""
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def leads() -> bool:
    """Whether this process is the only one, or rank 0: the one that writes and tells."""
    return not launched() or os.environ["RANK"] == "0"


def hush() -> None:
    """Let this process print nothing but errors, and Hydra's notes of a multirun go elsewhere."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (for good)
    warnings.simplefilter("ignore")
    aside = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, aside, ignore_errors=True)
    sys.argv.append(f"hydra.sweep.dir={aside}")
