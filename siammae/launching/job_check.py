"""Every key and value of a multirun's jobs is checked before the first of them starts."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.errors import HydraException
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from siammae.config.check import read_settings
from siammae.config.combinations import check_parts, refuse_unused
from siammae.config.suggestions import nearest
from siammae.launching.hydra_adapter import SearchSpace
from siammae.system.errors import ConfigError, SiammaeError

Overrides = Sequence[str]
POINTS = 20  # of a search space that are tried at most; one that is accepted is enough
REFUSED = (SiammaeError, HydraException, OmegaConfBaseException)


def check_job(loader: Any, config: DictConfig, overrides: Overrides) -> None:
    """Compose the settings of one job and check them: values, keys of groups, the device.

    The settings of another command are left to that command.

    Args:
        loader: Hydra's loader of configurations.
        config: of the multirun, composed without what is swept.
        overrides: of the job.

    Raises:
        ConfigError: when a key or a value is refused.
    """
    composed = loader.load_sweep_config(config, list(overrides))
    own = [str(key) for key in composed if key != "hydra"]
    if "experiment" not in own:
        return
    settings = read_settings(OmegaConf.masked_copy(composed, own))
    keys = [text.lstrip("+~").partition("=")[0] for text in composed.hydra.overrides.task]
    refuse_unused(settings, keys)
    given = {re.split(r"[.@]", key)[0] for key in keys}
    check_parts(settings, given)
    if settings.device not in ("auto", "cpu") and not _runs_elsewhere(composed):
        from siammae.assembly.device import choose_device  # imports torch

        choose_device(settings.device)


def _runs_elsewhere(config: DictConfig) -> bool:
    launcher = get_class(config.hydra.launcher._target_)
    return bool(getattr(launcher, "elsewhere", False))


def check_jobs(loader: Any, config: DictConfig, jobs: Sequence[Overrides]) -> None:
    """Check all jobs; the arguments are those of `check_job`.

    Raises:
        ConfigError: with a line for each job that is refused.
    """
    common = set.intersection(*(set(job) for job in jobs)) if len(jobs) > 1 else set()
    problems = []
    for job in jobs:
        try:
            check_job(loader, config, job)
        except SiammaeError as error:
            problems.append(f"{' '.join(part for part in job if part not in common)}: {error}")
    if problems:
        raise ConfigError("\n       ".join(problems))


def check_space(loader: Any, config: DictConfig, space: SearchSpace) -> None:
    """Check what a study may draw, as far as that is possible before it is drawn.

    A drawn option of a group must exist. Of the space some points are tried; it is refused when
    each of them is, as with a misspelt key. A space may well hold some points that are no valid
    setting.

    Args:
        loader: Hydra's loader of configurations.
        config: of the multirun, composed without what is drawn.
        space: what is drawn and what is fixed.

    Raises:
        ConfigError: when no run can come of it.
    """
    drawn, fixed, deleted = space
    for key, distribution in drawn.items():
        options = loader.get_group_options(key.lstrip("+"))
        for choice in getattr(distribution, "choices", ()) if options else ():
            if str(choice) not in (*options, "null"):
                hint = nearest(str(choice), options)
                raise ConfigError(f"{key}={choice}: no such option{hint}")
    first = None
    for number in range(min(POINTS, max(map(_variety, drawn.values()), default=1))):
        values = {key: _value(distribution, number) for key, distribution in drawn.items()} | fixed
        try:
            check_job(loader, config, [*(f"{k}={v}" for k, v in values.items()), *deleted])
            return
        except REFUSED as error:
            first = first or error
    if first is not None:
        raise first


def _variety(distribution: Any) -> int:
    """Return how many values of a distribution are tried: all choices, or both ends of a range."""
    return len(distribution.choices) if hasattr(distribution, "choices") else 2


def _value(distribution: Any, number: int) -> Any:
    if hasattr(distribution, "choices"):
        return distribution.choices[number % len(distribution.choices)]
    return (distribution.low, distribution.high)[number % 2]
