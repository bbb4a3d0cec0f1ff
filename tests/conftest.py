"""What all tests share: one thread for torch, and the folder of real clips when there is one."""

import os
from pathlib import Path

import pytest

# Before torch is imported: tests run side by side, and their results must not depend on cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_ERROR_REPORTING"] = "false"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by SIAMMAE_TEST_DATA, or a skip: real clips are not in the repository."""
    folder = os.environ.get("SIAMMAE_TEST_DATA")
    if not folder:
        pytest.skip("SIAMMAE_TEST_DATA names no folder of real clips")
    return Path(folder)
