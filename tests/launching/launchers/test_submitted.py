"""Jobs that are left to Slurm: noted, and what programs in Slurm's place tell of them."""

import json
import os
from pathlib import Path

import pytest

from siammae.launching.launchers.submitted import JobState, Submitted, note, noted, states

SBATCH = "#!/bin/sh\necho Submitted batch job 12\n"
OFFERED = [  # a command that submits two runs
    "hydra/launcher=slurm",
    "hydra.launcher.detach=true",
    "mask_ratio=0.5,0.75",
]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name=script, ...) puts programs in Slurm's place, and no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
        return folder

    return write


def prints(*lines):
    return "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines)


def job(tmp_path, number):
    made = {name: str(tmp_path / f"12_{number}.{name}") for name in ("errors", "result")}
    return Submitted(number, f"12_{number}", [f"seed={number}"], **made)


def test_a_multirun_s_jobs_are_noted_batch_after_batch(tmp_path):
    jobs = [job(tmp_path, number) for number in range(3)]
    assert noted(tmp_path) == []
    note(tmp_path, jobs[:1])
    note(tmp_path, jobs[1:])
    assert noted(tmp_path) == jobs
    (tmp_path / "jobs.json").write_text('{"jobs": [{"number": 1}]}')
    assert noted(tmp_path) == []


def test_the_queue_says_what_waits_and_runs_and_logs_why_the_others_ended(programs, tmp_path):
    programs(squeue=prints("12_0|PENDING|Priority", "12_1|RUNNING|None", "12_2|PENDING|None"))
    jobs = [job(tmp_path, number) for number in range(6)]
    Path(jobs[3].result).touch()
    Path(jobs[4].errors).write_text("slurmstepd: error: *** JOB 12 CANCELLED AT noon ***\nbye\n")
    found = states(jobs)
    assert found["12_0"] == JobState("queued", "Priority")
    assert found["12_1"] == JobState("running")
    assert found["12_2"] == JobState("queued")
    assert found["12_3"] == JobState("ended")
    assert found["12_4"].name == "ended"
    assert found["12_4"].why.startswith("slurmstepd: error: *** JOB 12 CANCELLED AT noon ***; see ")
    assert found["12_5"] == JobState("ended", f"it left no message; see {jobs[5].errors}")


def test_slurm_s_accounting_knows_better_where_there_is_one(programs, tmp_path):
    programs(squeue=prints(), sacct=prints("12_0|OUT_OF_MEMORY"))
    jobs = [job(tmp_path, number) for number in range(2)]
    Path(jobs[1].errors).write_text("Killed\n")
    found = states(jobs)
    assert found["12_0"].why == f"OUT_OF_MEMORY; see {jobs[0].errors}"
    assert found["12_1"].why == f"Killed; see {jobs[1].errors}"
    programs(sacct="#!/bin/sh\nexit 1\n")
    assert states(jobs)["12_0"].why == f"it left no message; see {jobs[0].errors}"


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 1\n"])
def test_without_a_queue_nothing_is_claimed(programs, tmp_path, script):
    programs(**({} if script is None else {"squeue": script}))
    first, second = (job(tmp_path, number) for number in range(2))
    Path(first.result).touch()
    found = states([first, second])
    assert found["12_0"] == JobState("ended")
    assert found["12_1"].name == "unknown"


def test_a_multirun_that_leaves_its_runs_to_slurm_ends_well(programs, multirun, tmp_path):
    path = f"{programs(sbatch=SBATCH, srun=prints(), squeue=prints())}:{os.defpath}"
    done = multirun(tmp_path, None, "-m", *OFFERED, PATH=path)
    assert done.returncode == 0, done.err
    assert "submitted to Slurm: 12_0, 12_1" in done.out
    (folder,) = (tmp_path / "runs/.multirun").iterdir()
    assert f"noted in {folder}" in done.out
    stored = json.loads((folder / "jobs.json").read_text())["jobs"]
    assert [(one["number"], one["id"]) for one in stored] == [(0, "12_0"), (1, "12_1")]
    assert "mask_ratio=0.75" in stored[1]["overrides"]
    assert multirun.records(tmp_path) == []  # nothing is trained, and no result is claimed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["on_failure=stop"], "on_failure=stop needs the result of each run"),
        (["hydra.launcher.nodes=0"], "hydra.launcher.nodes=0: must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_submitted(
    programs, multirun, tmp_path, more, words
):
    path = f"{programs(sbatch=SBATCH, srun=prints())}:{os.defpath}"
    done = multirun(tmp_path, None, "-m", *OFFERED, *more, PATH=path)
    assert done.returncode == 2
    assert words in done.err
    assert done.err.count("\n") == 1
