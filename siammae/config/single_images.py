"""Whether a run asks for several frames of a clip where clips are single images."""

from typing import Any

from siammae.config.groups import option_of
from siammae.config.schema import TrainConfig
from siammae.system.errors import ConfigError, DataError

OF_ONE_FRAME = "mae, cropmae, simclr, dino or supervised"


def check_single_images(settings: TrainConfig, source: Any) -> None:
    """Refuse a method, targets or a gap that single images cannot give.

    Args:
        settings: of the run.
        source: its clips; a pack knows what it holds once its index is read.

    Raises:
        ConfigError: naming the method and its targets, or the gap, and what would be right.
    """
    if not source.has_single_images:
        return
    data = f"data={option_of(settings.data.target)}"
    if "gap" in settings.targets.as_dict() or not _fits_one_frame(settings.build("targets")):
        raise ConfigError(
            f"method={option_of(settings.method.target)} takes several frames of a clip (targets: "
            f"{_name(settings.targets.target)}), and {data} has single images; choose "
            f"method={OF_ONE_FRAME}, with their own targets"
        )
    if settings.frame_gap is not None:
        raise ConfigError(
            f"frame_gap={settings.frame_gap}: {data} has single images, and a gap lies between "
            "two frames; leave it out, or take frame_gap=null"
        )


def _name(target: str | None) -> str:
    return str(target).rpartition(".")[2]


def _fits_one_frame(targets: Any) -> bool:
    """Return whether a sample can be drawn from a clip of one frame."""
    import numpy as np  # here: whoever asks for a finished run need not wait for it

    try:
        targets.draw(np.random.default_rng(0), 1)
    except (ValueError, DataError):
        return False
    return True
