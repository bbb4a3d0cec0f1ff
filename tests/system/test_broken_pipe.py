"""A reader that leaves early, as head does, costs neither the work nor a traceback."""

import os
import subprocess
import sys

import pytest

from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.paths import ROOT


@pytest.fixture
def closed():
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_work_behind_a_lost_line_is_done(closed, monkeypatch, stream):
    done = []
    with os.fdopen(os.dup(closed), "w", buffering=1) as pipe:
        monkeypatch.setattr(sys, stream, pipe)
        with ignore_broken_pipe():
            for number in range(3):
                print(number, file=getattr(sys, stream))
                done.append(number)
        assert getattr(sys, stream) is pipe
    assert done == [0, 1, 2]


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [["train", "--help"], ["train", "--cfg", "job"], ["runs"], ["plan", "--help"]],
    ids=" ".join,
)
def test_commands_end_quietly(closed, tmp_path, arguments, buffered):
    (tmp_path / "runs").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment |= {} if buffered else {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", f"siammae.{arguments[0]}", *arguments[1:]],
        cwd=tmp_path,
        stdout=closed,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
