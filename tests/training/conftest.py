"""What tests of trainings share: a runner, runs that are killed in a step, runs that are held."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_runs import Runner

# A script that starts a run with something of it patched.
START = "import os, signal, sys\n{patch}\nfrom siammae.train import main\nsys.exit(main())"
KILLED_IN_A_STEP = """
from siammae.training.loop import Trainer
step = Trainer.train_step
def killed(self, number, batches):
    if number == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, batches)
Trainer.train_step = killed
"""


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Another process claims a run, as if it trained it, and then dies."""
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from siammae.tracking.record import RunRecord\n"
        "with RunRecord(Path(sys.argv[1])).claim(): print('held', flush=True); time.sleep(300)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(run)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline().strip() == "held"
    try:
        yield
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture(scope="session")
def train(tmp_path_factory) -> Runner:
    return Runner(tmp_path_factory.mktemp("sprites"))


@pytest.fixture
def only_run():
    def find(folder: Path) -> Path:
        runs = [path for path in (folder / "runs").iterdir() if not path.name.startswith(".")]
        assert len(runs) == 1
        return runs[0]

    return find
