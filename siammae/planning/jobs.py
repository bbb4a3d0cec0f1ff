"""The runs of a multirun: those of the command line's values and of a declared experiment."""

from itertools import product

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from siammae.config.experiment import Experiment, Setting, check_name, parse_experiment, spelled
from siammae.system.errors import ConfigError

Job = list[str]  # overrides of one run


def jobs_of(config: DictConfig, overrides: list[Override]) -> list[Job]:
    """Overrides of each run, in the order in which they start.

    Settings of one seed stand together and seeds outermost, so that a multirun that is cut short
    has the whole table of its first seeds.

    Args:
        config: as composed without what is swept, with the node ``hydra``.
        overrides: of the command line and of ``hydra.sweeper.params``, the later one counting.

    Raises:
        ConfigError: when an experiment is asked for what it does not allow, or a value of the
            command line is no list of values.
    """
    given = {override.get_key_element(): _values(override) for override in overrides}
    for group in ("experiments", "sweeps"):
        if len(given.get(group, [])) > 1:
            raise ConfigError(f"{group}={','.join(given[group])}: name one of them a command")
    experiment = declared(config)
    if experiment is None:
        return _product(given)
    given.setdefault("seed", [str(seed) for seed in experiment.seeds])
    replaced = {key: given.pop(key) for key in experiment.keys if key in given}
    settings = experiment.settings(replaced, defaults_of(config, experiment))
    seeds = given.pop("seed")
    return [
        [*rest, *(f"{key}={value}" for key, value in setting.items()), f"seed={seed}"]
        for seed in seeds
        for rest in _product(given)
        for setting in settings
    ]


def declared(config: DictConfig) -> Experiment | None:
    """The experiment of a configuration.

    Raises:
        ConfigError: when its block is not well formed.
    """
    if config.get("experiment") is None:
        return None
    block = OmegaConf.to_container(config.experiment, resolve=True)
    choice = OmegaConf.select(config, "hydra.runtime.choices.experiments")
    where = f"experiments/{choice}.yaml" if choice else "experiment"
    experiment = parse_experiment(block, where)
    if choice:
        check_name(experiment, str(choice), where)
    return experiment


def defaults_of(config: DictConfig, experiment: Experiment) -> Setting:
    """What each axis is when it is left alone."""
    choices = OmegaConf.select(config, "hydra.runtime.choices") or {}
    return {
        key: str(choices[key]) if choices.get(key) else spelled(OmegaConf.select(config, key))
        for key in experiment.keys
    }


def _values(override: Override) -> list[str]:
    """The values of an override, in Hydra's spelling."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{override.get_key_element()}={override.get_value_string()} is a range to draw from; "
            "list the values, or use a sweep of Optuna (sweeps=NAME)"
        )
    return list(override.sweep_string_iterator())


def _product(given: dict[str, list[str]]) -> list[Job]:
    keyed = [[f"{key}={value}" for value in values] for key, values in given.items()]
    return [list(job) for job in product(*keyed)]
