"""A chosen protocol of label propagation must be one that the benchmark follows."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from siammae.system.errors import ConfigError

DEFAULT = "paper"


def check_protocol(config: DictConfig) -> None:
    """Refuse ``protocol=NAME`` where nothing would come of it: built-in sets have own numbers.

    Raises:
        ConfigError: naming the keys that can be set instead.
    """
    name = str(config.protocol.name)
    plain: Any = OmegaConf.to_container(config.benchmark, resolve=True) or {}
    presets = sorted(set(_presets(plain)))
    if name != DEFAULT and name not in presets:
        followed = f"follows '{', '.join(presets)}'" if presets else "propagates no labels"
        raise ConfigError(
            f"protocol={name} changes nothing: the chosen benchmark {followed}; "
            "its own keys are under benchmark (print them with --cfg job)"
        )


def _presets(section: dict[str, Any]) -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _presets(value)
        elif key == "preset" and value is not None:
            yield str(value)
