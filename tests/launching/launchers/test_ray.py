"""hydra/launcher=ray on a real Ray of this machine."""

import importlib.util

import pytest
from omegaconf import OmegaConf

from siammae.launching.launchers.ray import _shares

NO_RAY = importlib.util.find_spec("ray") is None


@pytest.mark.slow
@pytest.mark.skipif(NO_RAY, reason="ray is not installed: pip install 'siammae[cluster]'")
def test_two_runs_and_one_that_fails_on_ray(multirun, tmp_path):
    done = multirun(tmp_path, "ray", multirun.RATES)
    multirun.check_failure(done)
    runs = multirun.records(tmp_path)
    assert [one["state"] for one in runs] == ["finished", "finished", "failed"]
    multirun.check_invocations(runs)


@pytest.mark.parametrize(
    ("resources", "given", "jobs", "gpus", "cores"),
    [
        ({"CPU": 16.0, "GPU": 2.0}, {}, 10, 1, 8),
        ({"CPU": 16.0, "GPU": 4.0}, {}, 2, 1, 8),
        ({"CPU": 16.0, "GPU": 1.0}, {"num_gpus": 0.5}, 10, 0.5, 8),
        ({"CPU": 8.0}, {}, 2, 0, 4),
        ({"CPU": 8.0}, {}, 20, 0, 1),
        ({"CPU": 8.0, "GPU": 1.0}, {"num_gpus": 0, "num_cpus": 3}, 2, 0, 3),
    ],
)
def test_a_run_gets_its_share_of_the_cluster(resources, given, jobs, gpus, cores):
    empty = {"num_gpus": None, "num_cpus": None}
    shares = _shares(OmegaConf.create({**empty, **given}), resources, jobs)
    assert (shares.num_gpus, shares.num_cpus) == (gpus, cores)
