"""Building what a group names with ``_target_``, with errors that name the key."""

import inspect
from collections.abc import Collection
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS, get_class, instantiate
from omegaconf import DictConfig

from siammae.config.schema import nearest
from siammae.system.errors import ConfigError, SiammaeError


def build_group(config: DictConfig, name: str) -> Any:
    """Instantiate the group ``name``; None when the group, or its ``_target_``, is null.

    Raises:
        ConfigError: when its class is not there, does not take a key, or refuses a value.
    """
    group = config[name]
    if group is None or group["_target_"] is None:
        return None
    _check_keys(group, name)
    try:
        return instantiate(group, _execution_whitelist_=UNSAFE_DISABLE_EXECUTION_CHECKS)
    except Exception as error:
        cause = error.__cause__ or error  # Hydra wraps what the class raised, whose words help
        if isinstance(cause, SiammaeError):
            raise cause from None
        raise ConfigError(f"{name}: {cause}") from error


def check_groups(config: DictConfig, names: Collection[str] | None = None) -> None:
    """Check the keys of groups against their classes, without building anything.

    Args:
        config: the whole configuration.
        names: of the groups; None: of all.

    Raises:
        ConfigError: when a class is not there, or does not take a key.
    """
    for name in config if names is None else names:
        group = config.get(name)
        if isinstance(group, DictConfig) and group.get("_target_") is not None:
            _check_keys(group, str(name))


def _check_keys(group: DictConfig, name: str) -> None:
    """Every key is an argument of the class, of its type, and so in parts that are built with it.

    Raises:
        ConfigError: naming the key.
    """
    try:
        accepted = inspect.signature(get_class(group["_target_"])).parameters
    except Exception as error:
        raise ConfigError(f"{name}._target_={group['_target_']}: {error}") from None
    for key, value in ((str(key), value) for key, value in group.items()):
        if key != "_target_" and key not in accepted:
            raise ConfigError(f"{name}.{key}: no such key{nearest(key, list(accepted))}")
        if isinstance(value, DictConfig) and value.get("_target_") is not None:
            _check_keys(value, f"{name}.{key}")
        elif isinstance(value, DictConfig) and key == "parts":
            for part, inner in ((str(part), inner) for part, inner in value.items()):
                _check_part(inner, f"{name}.{key}.{part}")
        elif key in accepted:
            _check_type(f"{name}.{key}", value, accepted[key].annotation)


def _check_part(part: Any, name: str) -> None:
    """One of several benchmarks or sets that make up another.

    Raises:
        ConfigError: naming the key.
    """
    if not isinstance(part, DictConfig) or part.get("_target_") is None:
        raise ConfigError(f"{name}={part}: must be an option of the group, with a _target_")
    _check_keys(part, name)


def _check_type(key: str, value: Any, annotated: Any) -> None:
    """A truth value or number is what the annotation says; other types are the class's matter.

    ``no`` is text to Hydra, and any text would count as true.
    """
    union = get_origin(annotated) in (Union, UnionType)
    members = set(get_args(annotated)) if union else {annotated}
    optional, plain = NoneType in members, members - {NoneType}
    if len(plain) != 1 or (value is None and optional):
        return
    wanted = plain.pop()
    allowed = {bool: (bool,), int: (int,), float: (int, float)}.get(wanted)
    if allowed is not None and type(value) not in allowed:
        noun = {bool: "a bool is needed, true or false", int: "an int is needed"}
        told = noun.get(wanted, "a number is needed") + (", or null" if optional else "")
        shown = "null" if value is None else value
        raise ConfigError(f"{key}={shown}: {told}")
