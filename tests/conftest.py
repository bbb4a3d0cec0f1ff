"""What all tests share: one thread for torch, the folder of real clips, a local server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from loopback import Loopback
    from wandb_server import WandbServer

sys.path.insert(0, str(Path(__file__).parent / "support"))

# Before torch is imported: tests run side by side, and their results must not depend on cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_ERROR_REPORTING"] = "false"


@pytest.fixture(scope="session", autouse=True)
def groups_and_resolvers():
    """Register our groups, keys and resolvers with Hydra, as every command does."""
    from siammae.launching.registration import register_with_hydra

    register_with_hydra()


def pytest_runtest_setup(item):
    """Skip what is marked ``gpu`` where there is no CUDA."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs CUDA")


@pytest.fixture
def wandb_server(monkeypatch, tmp_path) -> "Iterator[WandbServer]":
    """A server that this process's W&B client talks to, and no other."""
    from wandb_server import WandbServer

    made = WandbServer()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "2")
    yield made
    made.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by SIAMMAE_TEST_DATA, or a skip: real clips are not in the repository."""
    folder = os.environ.get("SIAMMAE_TEST_DATA")
    if not folder:
        pytest.skip("SIAMMAE_TEST_DATA names no folder of real clips")
    return Path(folder)


@pytest.fixture
def loopback(monkeypatch) -> "Iterator[Loopback]":
    from loopback import Loopback

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    made = Loopback()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def call(capsys):
    """call(...) -> (exit code, stdout, stderr) of ``siammae.download`` in this process."""
    from siammae.download import main

    def run(*arguments):
        code = main(list(map(str, arguments)))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
