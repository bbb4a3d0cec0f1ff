"""A disk that refuses to be written ends a run in one line, and the run can be resumed."""

import json
import os
import shlex
import shutil
import subprocess
import sys

COMMAND = (
    "-m siammae.train encoder.width=32 encoder.depth=1 encoder.heads=2 decoder.width=32 "
    "decoder.heads=2 batch_size=8 schedule.steps=4 schedule.warmup_steps=1 checkpoint_every=2 "
    "benchmark=none tracking=none pictures=0 progress=none device=cpu data.workers=0"
)


def run(folder, kilobytes):
    """The command in a shell where no file may be longer."""
    words = shlex.join([sys.executable, *COMMAND.split(), f"runs_dir={folder / 'runs'}"])
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    line = f"cd {shlex.quote(str(folder))} && ulimit -f {kilobytes} && exec {words}"
    return subprocess.run(["bash", "-c", line], env=known, capture_output=True, text=True)


def test_a_file_that_cannot_be_written(tmp_path):
    assert run(tmp_path, "unlimited").returncode == 0  # writes the built-in clips
    shutil.rmtree(tmp_path / "runs")
    ended = run(tmp_path, 100)  # a checkpoint is longer
    assert ended.returncode == 2, ended
    (line,) = ended.stderr.splitlines()
    assert "cannot be written: File too large; free some room" in line
    (state,) = (tmp_path / "runs").glob("*/state.json")
    assert json.loads(state.read_text())["state"] == "failed"
    assert json.loads(state.read_text())["error"] in line
    assert not list(tmp_path.rglob("*.partial"))
    assert run(tmp_path, "unlimited").returncode == 0
    assert json.loads(state.read_text())["state"] == "finished"
