"""The encoder that a command's keys name."""

from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from siammae.config.groups import build_group
from siammae.evaluation.encoders.source import Source
from siammae.system.errors import ConfigError

KEYS = ("checkpoint", "model", "pretrained", "weights", "path", "format", "heads")


def choose_source(config: DictConfig) -> Source:
    """Build the group ``features``, whose options refer to keys at the top of the configuration.

    Raises:
        ConfigError: when a key is given that the chosen option does not use.
    """
    group: Any = OmegaConf.to_container(config.features, resolve=False)
    used = {key for key in KEYS if f"${{{key}}}" in group.values()}
    chosen = HydraConfig.get().runtime.choices["features"]
    for key in KEYS:
        if config[key] is not None and key not in used:
            raise ConfigError(
                f"{key}={config[key]}: features={chosen} does not use it, but "
                f"{', '.join(sorted(used))}; choose features=siammae, timm or file"
            )
    return build_group(config, "features")
