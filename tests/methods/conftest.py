"""Settings of siammae.train, as the command line would give them."""

from collections.abc import Callable

import composed
import pytest

from siammae.config.schema import TrainConfig


@pytest.fixture
def settings_of() -> Callable[..., TrainConfig]:
    """Compose and check settings; an error is the user's."""
    return composed.settings_of
