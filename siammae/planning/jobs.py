"""The runs of a multirun: those of the command line's values and of a declared experiment."""

from itertools import product

from hydra.core.override_parser.types import Override

from siammae.config.composition import Composition
from siammae.system.errors import ConfigError

Job = list[str]  # overrides of one run


def jobs_of(composition: Composition, overrides: list[Override]) -> list[Job]:
    """Return the overrides of each run, in the order in which the runs start.

    Settings of one seed stand together and seeds outermost, so that a multirun that is cut short
    has the whole table of its first seeds.

    Args:
        composition: as composed without what is swept.
        overrides: of the command line and of ``hydra.sweeper.params``, the later one counting.

    Raises:
        ConfigError: when an experiment is asked for what it does not allow, or a value of the
            command line is no list of values.
    """
    given = {override.get_key_element(): _values(override) for override in overrides}
    for group in ("experiments", "sweeps"):
        if len(given.get(group, [])) > 1:
            raise ConfigError(f"{group}={','.join(given[group])}: name one of them a command")
    experiment = composition.experiment()
    if experiment is None:
        return _product(given)
    given.setdefault("seed", [str(seed) for seed in experiment.seeds])
    replaced = {key: given.pop(key) for key in experiment.keys if key in given}
    settings = experiment.settings(replaced, composition.defaults(experiment.keys))
    seeds = given.pop("seed")
    return [
        [*rest, *(f"{key}={value}" for key, value in setting.items()), f"seed={seed}"]
        for seed in seeds
        for rest in _product(given)
        for setting in settings
    ]


def _values(override: Override) -> list[str]:
    """Return the values of an override, in Hydra's spelling."""
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
