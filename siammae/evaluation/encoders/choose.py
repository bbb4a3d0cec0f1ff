"""Choosing the encoder that a command's keys name."""

from hydra.core.hydra_config import HydraConfig

from siammae.config.commands import EncoderSettings, used_keys
from siammae.evaluation.encoders.source import Source
from siammae.system.errors import ConfigError


def choose_source(settings: EncoderSettings) -> Source:
    """Build the group ``features``, whose options refer to keys at the top of the configuration.

    Raises:
        ConfigError: when a key is given that the chosen option does not use.
    """
    used = used_keys(settings)
    chosen = HydraConfig.get().runtime.choices["features"]
    for key in settings.keys:
        value = getattr(settings, key)
        if value is not None and key not in used:
            raise ConfigError(
                f"{key}={value}: features={chosen} does not use it, but "
                f"{', '.join(sorted(used))}; choose features=siammae, timm or file"
            )
    source: Source = settings.build("features")
    return source
