"""What Hydra and OmegaConf learn of this package before a configuration is composed."""

import os
from collections.abc import Callable
from dataclasses import MISSING, fields
from errno import EACCES
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from typing_extensions import override

from siammae.assembly.flops import DECIDES, equal_compute
from siammae.config.composition import plain_keys
from siammae.config.paper_figures import FILE as FIGURES
from siammae.config.visible_patches import hidden
from siammae.data.sets.videos import ClipSource
from siammae.launching.experiment_sweeper import ExperimentSweeper
from siammae.launching.hydra_adapter import FoldersSource
from siammae.launching.launchers.local import ProcessLauncher
from siammae.launching.launchers.ray import RayLauncher
from siammae.launching.launchers.slurm import SlurmLauncher, queue_keys
from siammae.launching.studies.recipe import recipe
from siammae.launching.studies.study_sweeper import StudySweeper
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS, ROOT


class TopLevelSource(FoldersSource):
    """Offers ``experiments/`` and ``sweeps/`` of the repository's root as groups."""

    folders = ("experiments", "sweeps")
    hidden = (f"experiments/{Path(FIGURES).stem}",)

    @staticmethod
    @override
    def scheme() -> str:
        return "siammae"


class TopLevelGroups(SearchPathPlugin):
    """Appends `TopLevelSource` to Hydra's search path."""

    @override
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("siammae", f"{TopLevelSource.scheme()}://{ROOT}")


PLUGINS = (
    *(TopLevelSource, TopLevelGroups),
    *(ProcessLauncher, RayLauncher, SlurmLauncher),
    *(ExperimentSweeper, StudySweeper),
)


def register_with_hydra() -> None:
    """Register our groups, launchers, sweepers and resolvers; call it before composing anything.

    `ExperimentSweeper` takes the place of Hydra's own sweeper, under its name ``basic``.
    """
    for plugin in PLUGINS:
        Plugins.instance().register(plugin)
    target = f"{ExperimentSweeper.__module__}.{ExperimentSweeper.__qualname__}"
    node = {"_target_": target, "max_batch_size": None, "params": None}
    ConfigStore.instance().store(
        group="hydra/sweeper", name="basic", node=node, provider="siammae", replace=True
    )
    ConfigStore.instance().store(
        group="keys", name="clips", node=clip_keys(), provider="siammae", replace=True
    )
    if (queue := queue_keys()) is not None:
        ConfigStore.instance().store(
            group="hydra/launcher", name="slurm_queue", node=queue, provider="siammae", replace=True
        )
    resolvers: dict[str, Callable[..., Any]] = {
        "writable": writable_folder,
        "recipe": recipe,
        "groups": list_groups,
        "equal_compute": lambda *gflops, _root_: equal_compute(
            plain_keys(_root_, DECIDES), *gflops
        ),
        "share": share,
        "hidden": lambda ratio, _root_: hidden(
            float(ratio), _root_.image_size, _root_.encoder.patch_size
        ),
        "half": lambda number: int(number) // 2,
    }
    for name, resolver in resolvers.items():
        OmegaConf.register_resolver(name, resolver, replace=True)


def clip_keys() -> dict[str, Any]:
    """Return the keys that all data sets have, with the defaults that `ClipSource` declares.

    Options of ``data`` take them in with ``/keys/clips@_here_``, so that the command line can set
    them like the keys that an option names itself.
    """
    return {each.name: each.default for each in fields(ClipSource) if each.default is not MISSING}


def share(part: float, whole: Any, digits: int = 0) -> Any:
    """Return ``${share:PART,WHOLE}``, a rounded part of a number; null for null.

    Without ``digits`` it is an int.
    """
    if whole is None:
        return None
    return round(part * whole, digits) if digits else round(part * whole)


def writable_folder(path: str | int) -> str:
    """Return the path of ``${writable:PATH}`` unchanged, after making the folder if it is missing.

    Hydra and Optuna write there before a run of ours begins.

    Raises:
        ConfigError: when it cannot be made or written.
    """
    folder = str(path)  # runs_dir=2026 is an int to Hydra
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror}); name another folder with runs_dir=DIR"
        ) from None
    return folder


def list_groups(command: str) -> str:
    """Return the text of ``${groups:NAME}`` in a help template: the options of each group, by line.

    Only the groups of ``configs/NAME.yaml`` are listed. Hydra's own list has those of all commands.
    """
    entries = OmegaConf.load(CONFIGS / f"{command}.yaml").defaults
    keys = sorted(str(key) for entry in entries if entry != "_self_" for key in entry)
    names = [key for key in keys if not key.startswith("override ")]
    loader = GlobalHydra.instance().config_loader()
    return "\n".join(f"{name}: {', '.join(loader.get_group_options(name))}" for name in names)
