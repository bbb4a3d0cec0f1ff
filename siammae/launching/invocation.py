"""What asked for a run: the command, and the run's place in a multirun."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from siammae.config.experiment import Experiment
from siammae.launching.studies.trial import RunningTrial
from siammae.system.command import Command, without_password
from siammae.tracking.record import Invocation


def invocation(experiment: Experiment | None, trial: RunningTrial | None = None) -> Invocation:
    """Return what asked for this run: the command, and its place in a multirun.

    All jobs of a multirun share its folder, whose name is its id. Microseconds tell it from another
    that starts at the same time: process ids are often equal in containers on several machines.
    """
    hydra_config = HydraConfig.get()
    multirun = hydra_config.mode == RunMode.MULTIRUN
    # As they were given: what refers to the run's own configuration is still a reference.
    task: Any = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    task = [without_password(text) for text in task]
    overrides = [text.lstrip("+~").partition("=") for text in task]
    return Invocation(
        id=Path(hydra_config.sweep.dir).name if multirun else None,
        command=Command.instance().line,
        experiment=None if experiment is None else experiment.name,
        overrides={key: value for key, _, value in overrides},
        axes=swept(hydra_config, experiment) if multirun else [],
        preset=hydra_config.runtime.choices.get("preset"),
        job=hydra_config.job.num if multirun else None,
        choices={k: v for k, v in hydra_config.runtime.choices.items() if "hydra" not in k},
        study=None if trial is None else trial.study_name,
        trial=None if trial is None else trial.number,
        task=task,
    )


def swept(hydra_config: Any, experiment: Experiment | None) -> list[str]:
    """Return the keys that a multirun sweeps: of its experiment, study and command line."""
    arguments = Command.instance().arguments
    given = [argument for argument in arguments if "=" in argument and argument[0] != "-"]
    parsed = OverridesParser.create().parse_overrides(given)
    keys = [override.get_key_element() for override in parsed if override.is_sweep_override()]
    params = hydra_config.sweeper.get("params") or {}
    declared_keys = [] if experiment is None else experiment.keys
    return list(dict.fromkeys([*declared_keys, *params, *keys]))
