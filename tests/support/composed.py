"""Settings of siammae.train, as the command line would give them."""

from hydra import compose, initialize_config_dir

from siammae.config.check import check
from siammae.config.schema import TrainConfig
from siammae.launching.registration import register_with_hydra
from siammae.system.paths import CONFIGS


def settings_of(*overrides: str) -> TrainConfig:
    """Compose and check settings; an error is the user's."""
    register_with_hydra()
    with initialize_config_dir(str(CONFIGS)):
        return check(compose("train", ["tracking=none", *overrides]))
