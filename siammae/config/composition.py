"""What Hydra composed for a run, with its own node: settings, choices of options, experiment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from siammae.config.check import read_settings
from siammae.config.experiment import Experiment, Setting, check_name, parse_experiment, spelled
from siammae.config.schema import TrainConfig


@dataclass
class Composition:
    """The configuration of ``siammae.train`` with the node ``hydra``."""

    config: DictConfig

    @classmethod
    def of(cls, overrides: list[str]) -> "Composition":
        """Compose from overrides of the command line; Hydra must have been initialised."""
        return cls(compose("train", overrides, return_hydra_config=True))

    @property
    def choices(self) -> dict[str, Any]:
        """The option that is chosen of each group; empty before Hydra has noted them."""
        return dict(OmegaConf.select(self.config, "hydra.runtime.choices") or {})

    def run(self) -> DictConfig:
        """Return the configuration of the run alone."""
        return OmegaConf.masked_copy(self.config, [str(k) for k in self.config if k != "hydra"])

    def settings(self, seed: int | None = None) -> TrainConfig:
        """Return the settings of the run, with another seed if one is given.

        Raises:
            ConfigError: when a setting is wrong.
        """
        config = self.run()
        if seed is not None:
            config.seed = seed
        return read_settings(config)

    def experiment(self) -> Experiment | None:
        """Return the experiment that is declared.

        Raises:
            ConfigError: when its block is not well formed.
        """
        return declared(self.config, self.choices.get("experiments"))

    def defaults(self, keys: list[str]) -> Setting:
        """Return what each axis of an experiment is when it is left alone."""
        return {
            key: str(self.choices[key])
            if self.choices.get(key)
            else spelled(OmegaConf.select(self.config, key))
            for key in keys
        }


def plain_keys(config: DictConfig, keys: Iterable[str]) -> dict[str, Any]:
    """Return some keys of a configuration as plain values, references resolved."""
    found = {key: config[key] for key in keys if key in config}
    return {
        key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for key, value in found.items()
    }


def declared(config: DictConfig, file: str | None = None) -> Experiment | None:
    """Return the experiment of a configuration.

    Args:
        config: of a run.
        file: of ``experiments/`` that was chosen, for errors; its name is the experiment's.

    Raises:
        ConfigError: when its block is not well formed.
    """
    if config.get("experiment") is None:
        return None
    block = OmegaConf.to_container(config.experiment, resolve=True)
    where = f"experiments/{file}.yaml" if file else "experiment"
    experiment = parse_experiment(block, where)
    if file:
        check_name(experiment, file, where)
    return experiment


def parse_overrides(overrides: list[str]) -> list[Override]:
    """Parse overrides of the command line; Hydra must have been initialised."""
    loader = GlobalHydra.instance().config_loader()
    return OverridesParser.create(config_loader=loader).parse_overrides(overrides)
