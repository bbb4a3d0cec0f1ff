"""The one place that uses what Hydra and its plugins keep private.

Hydra promises nothing about `hydra._internal`, about names that begin with an underscore or about
the insides of its plugins. Whatever of them this package needs stands here under a plain name, so
that a new release of Hydra is met in one file.
"""

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from omegaconf import DictConfig
from typing_extensions import override

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["BasicSweeper", "OptunaSweeper"]

Job = Callable[[DictConfig], Any]
# Drawn distributions by key, fixed values by key, and overrides that delete a key.
SearchSpace = tuple[dict[str, Any], dict[str, Any], list[str]]


class FoldersSource(FileConfigSource):
    """A place of configurations that offers some folders of a directory and hides the others.

    As a plain ``file://`` path the repository's root would offer its tests, data and environments
    as groups too. A subclass names the folders, files in them that are no options, and the scheme
    of its paths.
    """

    folders: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @override
    def is_group(self, config_path: str) -> bool:
        return self._is_offered(config_path) and super().is_group(config_path)

    @override
    def is_config(self, config_path: str) -> bool:
        return self._is_offered(config_path) and super().is_config(config_path)

    @override
    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        if config_path in ("", "/"):
            return [] if results_filter == ObjectType.CONFIG else builtins.list(self.folders)
        listed = super().list(config_path, results_filter)
        return [name for name in listed if f"{config_path}/{name}" not in self.hidden]

    def _is_offered(self, config_path: str) -> bool:
        if config_path.removesuffix(".yaml") in self.hidden:
            return False
        return config_path == "" or config_path.partition("/")[0] in self.folders


def is_basic(launcher: Launcher | None) -> bool:
    """Return whether a launcher is Hydra's own, which runs one job after the other."""
    return isinstance(launcher, BasicLauncher)


def outcome(job: JobReturn) -> Any:
    """Return what a job returned, or the exception that it raised.

    The public property raises the exception, and prints the job's overrides first.
    """
    return job._return_value


def sweeper_params(sweeper: BasicSweeper) -> list[str]:
    """Return the overrides that the configuration gives as ``hydra.sweeper.params``."""
    return sweeper._parse_config()


# Running in this process, for tests ---------------------------------------------------------------


def _main_hydra(folder: str) -> Any:
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path

    return Hydra.create_main_hydra2("job", create_config_search_path(folder))


def multirun(folder: str, config_name: str, overrides: list[str], job: Job) -> None:
    """Carry out a multirun in this process, as ``-m`` on the command line does.

    Args:
        folder: of the configuration.
        config_name: name of its file, without the ending.
        overrides: of the command line.
        job: called with the configuration of each run.
    """
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    try:
        _main_hydra(folder).multirun(config_name, job, overrides)
    finally:
        GlobalHydra.instance().clear()


def single_run(folder: str, config_name: str, overrides: list[str], job: Job) -> JobStatus:
    """Carry out one run in this process; the arguments are those of `multirun`."""
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    try:
        done: JobReturn = _main_hydra(folder).run(config_name, job, overrides)
        return done.status
    finally:
        GlobalHydra.instance().clear()


def compose_instead_of_running(show: Callable[[DictConfig], None]) -> None:
    """Let every multirun that follows in this process only compose its configuration.

    Args:
        show: called with the composed configuration.
    """
    from hydra._internal.hydra import Hydra

    def multirun(self: Hydra, config_name: str, overrides: list[str], **ignored: Any) -> None:
        show(
            self.compose_config(
                config_name=config_name,
                overrides=overrides,
                with_log_configuration=False,
                run_mode=RunMode.MULTIRUN,
            )
        )

    setattr(Hydra, "multirun", multirun)  # noqa: B010 (mypy refuses the assignment)


# Of hydra-optuna-sweeper --------------------------------------------------------------------------


def search_space(sweeper: OptunaSweeper, arguments: list[str]) -> SearchSpace:
    """Return what a study draws and what is fixed, from the configuration and the command line."""
    from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

    given = [*sweeper.sweeper._parse_sweeper_params_config(), *arguments]
    drawn, fixed, deleted = create_params_from_overrides(given)
    return {key: value for key, value in drawn.items() if key not in fixed}, fixed, deleted


def directions(sweeper: OptunaSweeper) -> list[str]:
    """Return ``maximize`` or ``minimize`` for each objective of a study."""
    return [name.lower() for name in sweeper.sweeper._get_directions()]


def grid_choices(sweeper: OptunaSweeper, distribution: Any) -> list[Any]:
    """Return every value of a discrete distribution, for the grid sampler."""
    return list(sweeper.sweeper._to_grid_sampler_choices(distribution))


def draw(sweeper: OptunaSweeper, trial: "Trial", space: SearchSpace) -> tuple[str, ...]:
    """Draw the values of a trial; return them with the fixed ones as overrides."""
    (overrides,) = sweeper.sweeper._configure_trials([trial], *space)
    return tuple(overrides)


# Of the plugins for joblib and Ray ----------------------------------------------------------------


def execute_job(number: int, overrides: Sequence[str], *handed_over: Any) -> JobReturn:
    """Carry out a job in a worker of joblib.

    Args:
        number: of the job.
        overrides: of the job.
        handed_over: Hydra's context, configuration and task, and the state of its singletons.
    """
    from hydra_plugins.hydra_joblib_launcher._core import execute_job as execute

    context, config, task, singletons = handed_over
    result: JobReturn = execute(
        number, overrides, context, config, task, 0, singletons, wrap_result=False
    )
    return result


def pool_processes(pool: Any) -> list[Any]:
    """Return the processes of one of loky's pools, of which it gives no public list."""
    return list(pool._processes.values())


def start_ray(init: DictConfig) -> None:
    """Join or start Ray with the arguments of ``ray.init``."""
    from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray as start

    start(init)


def launch_on_ray(*arguments: Any) -> Any:
    """Submit a job to Ray; return the reference of its result."""
    from hydra_plugins.hydra_ray_launcher._launcher_util import launch_job_on_ray

    return launch_job_on_ray(*arguments)
