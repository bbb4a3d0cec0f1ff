"""``hydra/launcher=ray``: runs as tasks of Ray, on this machine or on a cluster that is up."""

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict
from typing_extensions import override

from siammae.launching import hydra_adapter
from siammae.launching.launchers.base import JobLauncher, failed_result, job_titles, require_plugin


class RayLauncher(JobLauncher):
    """Runs each job as a task of Ray; one whose worker dies is tried again, and resumes.

    Args:
        init: arguments of ``ray.init``. With an ``address`` it joins a cluster, else it starts Ray.
        remote: arguments of ``ray.remote``. ``num_gpus=null`` means 1 where the cluster has GPUs,
            else 0. ``num_cpus=null`` means an even share of its cores, which Ray also sets as
            ``OMP_NUM_THREADS``.
    """

    elsewhere = True

    def __init__(self, init: DictConfig, remote: DictConfig) -> None:
        require_plugin("hydra_ray_launcher", "ray")
        self.init, self.remote = init, remote

    @override
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        # Ray reports its use over the network unless that is switched off.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        setup_globals()
        hydra_adapter.start_ray(self.init)
        remote = _shares(self.remote, ray.cluster_resources(), len(job_overrides))
        names = job_titles(job_overrides, initial_job_idx)
        jobs = dict(zip(names, map(list, job_overrides), strict=True))
        tasks = {self._submit(number, one, remote): number for number, one in jobs.items()}
        print(f"{len(tasks)} runs on Ray, each with {remote}", flush=True)
        results: dict[int, JobReturn] = {}
        waiting = list(tasks)
        while waiting:
            done, waiting = ray.wait(waiting)
            for task in done:
                number = tasks[task]
                results[number] = _result(ray, task, names[number], jobs[number])
        return [results[number] for number in sorted(results)]

    def _submit(self, number: int, overrides: list[str], remote: DictConfig) -> Any:
        loader = self.hydra_context.config_loader
        config = loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        return hydra_adapter.launch_on_ray(
            self.hydra_context, remote, config, self.task_function, Singleton.get_state()
        )


def _result(ray: Any, task: Any, title: str, overrides: list[str]) -> JobReturn:
    """Return the result of a task; an error of Ray itself is the failure of this job alone."""
    try:
        result: JobReturn = ray.get(task)
    except ray.exceptions.RayError as error:
        return failed_result(title, overrides, str(error).strip().split("\n")[0])
    return result


def _shares(remote: DictConfig, resources: dict[str, float], jobs: int) -> DictConfig:
    """Return ``remote`` with its share of the cluster's GPUs and cores, where it names none."""
    given: dict[str, Any] = OmegaConf.to_container(remote, resolve=True)  # type: ignore[assignment]
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
    if given.get("num_gpus") is None:
        given["num_gpus"] = 1 if gpus else 0
    if given.get("num_cpus") is None:
        at_a_time = gpus // given["num_gpus"] if gpus and given["num_gpus"] else cores
        given["num_cpus"] = max(1, cores // max(1, min(int(at_a_time), jobs)))
    return OmegaConf.create(given)
