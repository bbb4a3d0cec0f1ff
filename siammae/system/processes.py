"""Which of torchrun's processes this one is; only the environment is asked, not torch."""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from siammae.system.errors import ConfigError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
STARTED_BY = "SIAMMAE_STARTED_BY"  # the option of hydra/launcher that started the processes itself


def launched() -> bool:
    """Return whether torchrun, or what sets the same variables, started several processes."""
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def is_leader() -> bool:
    """Return whether this process writes and prints: it is the only one, or rank 0."""
    return not launched() or os.environ["RANK"] == "0"


def refuse_with_torchrun(choices: Mapping[str, str | None]) -> None:
    """Refuse what starts processes of its own, or draws different settings in each process.

    Args:
        choices: the option of each of Hydra's groups.

    Raises:
        ConfigError: under torchrun, for any launcher or sweeper but Hydra's basic ones, and but the
            launcher that has started these processes.
    """
    if not launched():
        return
    for key, instead in (
        ("hydra/launcher", "it starts processes itself: leave one of the two out"),
        ("hydra/sweeper", "start the study without it, in one process for each GPU"),
    ):
        if choices.get(key, "basic") not in ("basic", os.environ.get(STARTED_BY)):
            raise ConfigError(f"{key}={choices[key]} does not go with torchrun; {instead}")


def quiet_torch() -> None:
    """Let torch's C++ code print errors only in processes of torchrun; before torch is imported.

    It warns of what is chosen on purpose (see `siammae.training.engines`), once in each process.
    """
    if launched():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def silence() -> None:
    """Let this process print errors only, and Hydra write its notes of a multirun elsewhere."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (for good)
    warnings.simplefilter("ignore")
    aside = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, aside, ignore_errors=True)
    sys.argv.append(f"hydra.sweep.dir={aside}")
