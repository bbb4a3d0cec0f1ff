"""Processes that a job starts for a run, without Slurm: submitit calls the job on this machine."""

import os
import signal

import pytest
import submitit
from hydra.core.utils import JobReturn, JobStatus

from siammae.launching.hydra_adapter import outcome
from siammae.launching.launchers.elastic import ElasticJob
from siammae.system.errors import ConfigError
from siammae.system.paths import ROOT
from siammae.system.processes import STARTED_BY, refuse_with_torchrun


@pytest.fixture
def carry_out(tmp_path, monkeypatch):
    """carry_out(call) is what a job of two processes returns."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(call):
        executor = submitit.LocalExecutor(tmp_path / "%j")
        executor.update_parameters(timeout_min=5)
        return executor.submit(ElasticJob(call, "slurm", 2, 1), ["seed=1"]).result()

    return run


@pytest.mark.slow
def test_the_job_s_processes_are_a_team_and_its_result_comes_back(carry_out):
    def call(overrides):  # in here, so that it is pickled by value
        from siammae.training.distributed import join_team

        team = join_team()
        found = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        found.return_value = team.gather((team.rank, os.environ["SIAMMAE_STARTED_BY"]))
        return found

    result = carry_out(call)
    assert result.overrides == ["seed=1"]
    assert outcome(result) == [(0, "slurm"), (1, "slurm")]


@pytest.mark.slow
def test_a_process_that_dies_is_a_failure_that_names_it(carry_out):
    def call(overrides):
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)

    result = carry_out(call)
    assert result.status == JobStatus.FAILED
    assert str(outcome(result)) == "process 2 of 2 ended without a result: killed by SIGKILL"


def test_only_the_launcher_that_started_the_processes_goes_with_them(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(STARTED_BY, "slurm")
    refuse_with_torchrun({"hydra/launcher": "slurm", "hydra/sweeper": "basic"})
    with pytest.raises(ConfigError, match="hydra/launcher=ray"):
        refuse_with_torchrun({"hydra/launcher": "ray"})
    with pytest.raises(ConfigError, match="hydra/sweeper=optuna"):
        refuse_with_torchrun({"hydra/launcher": "slurm", "hydra/sweeper": "optuna"})
