"""Scripts whose reader leaves early, as head does, finish their work without a traceback."""

import os
import subprocess
import sys

import optuna
import pytest

from siammae.system.paths import ROOT

SCRIPTS = {
    "make_tables.py": ["--runs", "runs", "--out", "out"],
    "sweep_report.py": ["--storage", "sqlite:///studies.db"],
    "make_dashboard.py": ["me/mine", "--dry-run"],
}


@pytest.mark.parametrize(
    ("script", "buffered"), [("make_tables.py", False), *((script, True) for script in SCRIPTS)]
)
def test_a_closed_pipe_ends_quietly_with_the_work_done(make_run, tmp_path, script, buffered):
    if script == "make_dashboard.py":
        pytest.importorskip("wandb_workspaces")
    if script == "make_tables.py":
        for decoder in ("joint", "cross"):
            make_run(decoder, None, {"decoder": decoder}, state="failed")
            make_run(f"{decoder}1", 0.3, {"decoder": decoder, "seed": "1"}, seed=1)
    if script == "sweep_report.py":
        optuna.create_study(study_name="one", storage=f"sqlite:///{tmp_path}/studies.db")
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ} | ({} if buffered else {"PYTHONUNBUFFERED": "1"})
    command = [sys.executable, str(ROOT / "analysis" / script), *SCRIPTS[script]]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        timeout=100,
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 0
    if script == "make_tables.py":
        assert (tmp_path / "out" / "decoder.csv").is_file()
        assert (tmp_path / "out" / "index.html").is_file()
