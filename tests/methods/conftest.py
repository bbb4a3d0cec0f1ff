"""Settings of siammae.train, as the command line would give them."""

from collections.abc import Callable

import pytest
from hydra import compose, initialize_config_dir

from siammae.config.check import check
from siammae.config.schema import TrainConfig
from siammae.system.paths import CONFIGS


@pytest.fixture
def settings_of() -> Callable[..., TrainConfig]:
    """Compose and check settings; an error is the user's."""

    def make(*overrides: str) -> TrainConfig:
        with initialize_config_dir(str(CONFIGS)):
            return check(compose("train", ["tracking=none", *overrides]))

    return make
