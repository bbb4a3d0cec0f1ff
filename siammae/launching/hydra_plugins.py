"""What Hydra learns of us: ``experiments/`` and ``sweeps/`` as groups, and our launchers."""

import builtins

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from siammae.launching.launchers.local import ProcessLauncher
from siammae.launching.launchers.ray import RayLauncher
from siammae.launching.launchers.slurm import SlurmLauncher
from siammae.launching.studies.study_sweeper import StudySweeper
from siammae.system.paths import ROOT

GROUPS = ("experiments", "sweeps")
LAUNCHERS = (ProcessLauncher, RayLauncher, SlurmLauncher)


class TopLevelSource(FileConfigSource):
    """The repository's root as a place of configurations, with these two folders and no other.

    As a plain ``file://`` path the root would offer tests, data and environments as groups too.
    """

    @staticmethod
    def scheme() -> str:
        """Of paths on the search path."""
        return "siammae"

    def is_group(self, config_path: str) -> bool:
        """Whether there is such a folder among the two."""
        return self._is_ours(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether there is such a file in the two."""
        return self._is_ours(config_path) and super().is_config(config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> builtins.list[str]:
        """The two folders, or what is in one of them."""
        if config_path in ("", "/"):
            return [] if results_filter == ObjectType.CONFIG else builtins.list(GROUPS)
        return super().list(config_path, results_filter)

    @staticmethod
    def _is_ours(config_path: str) -> bool:
        return config_path == "" or config_path.partition("/")[0] in GROUPS


class TopLevelGroups(SearchPathPlugin):
    """Appends the two groups to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """See Hydra's `SearchPathPlugin`."""
        search_path.append("siammae", f"{TopLevelSource.scheme()}://{ROOT}")


def register() -> None:
    """Tell Hydra of the groups, sweepers and launchers; to be called before ``hydra.main`` runs."""
    for plugin in (*LAUNCHERS, TopLevelSource, TopLevelGroups, StudySweeper):
        Plugins.instance().register(plugin)
