"""``hydra/launcher=ray``: runs as tasks of Ray, on this machine or on a cluster that is up."""

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from siammae.launching.launchers.base import OurLauncher, died, need, titles


class RayLauncher(OurLauncher):
    """Each run is a task that Ray places; one whose worker dies is tried again, and resumes.

    Args:
        init: arguments of ``ray.init``; an ``address`` joins a cluster, none starts Ray here.
        remote: arguments of ``ray.remote``. ``num_gpus`` null: 1 where the cluster has any, else 0.
            ``num_cpus`` null: an even share of its cores; Ray sets ``OMP_NUM_THREADS`` to it.
    """

    def __init__(self, init: DictConfig, remote: DictConfig) -> None:
        need("hydra_ray_launcher", "ray")
        self.init, self.remote = init, remote

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """See Hydra's `Launcher`."""
        # Ray reports its use over the network unless it is told not to.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray

        setup_globals()
        start_ray(self.init)
        remote = _shares(self.remote, ray.cluster_resources(), len(job_overrides))
        names = titles(job_overrides, initial_job_idx)
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
        from hydra_plugins.hydra_ray_launcher._launcher_util import launch_job_on_ray

        loader = self.hydra_context.config_loader
        config = loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        return launch_job_on_ray(
            self.hydra_context, remote, config, self.task_function, Singleton.get_state()
        )


def _result(ray: Any, task: Any, title: str, overrides: list[str]) -> JobReturn:
    """What a task gave; an error of Ray itself is the failure of this job alone."""
    try:
        result: JobReturn = ray.get(task)
    except ray.exceptions.RayError as error:
        return died(title, overrides, str(error).strip().split("\n")[0])
    return result


def _shares(remote: DictConfig, resources: dict[str, float], jobs: int) -> DictConfig:
    """``remote`` with its share of the cluster's GPUs and cores, where it names none."""
    given: dict[str, Any] = OmegaConf.to_container(remote, resolve=True)  # type: ignore[assignment]
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
    if given.get("num_gpus") is None:
        given["num_gpus"] = 1 if gpus else 0
    if given.get("num_cpus") is None:
        at_a_time = gpus // given["num_gpus"] if gpus and given["num_gpus"] else cores
        given["num_cpus"] = max(1, cores // max(1, min(int(at_a_time), jobs)))
    return OmegaConf.create(given)
