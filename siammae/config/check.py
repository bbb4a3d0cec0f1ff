"""From what Hydra composed to checked settings. Below this, no code sees a DictConfig."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException
from pydantic import ValidationError

from siammae.config.combinations import check_parts
from siammae.config.groups import Section, with_public_targets
from siammae.config.schema import GAPS, ModelConfig, TrainConfig
from siammae.config.suggestions import nearest
from siammae.system.errors import ConfigError, DataError

Kind = TypeVar("Kind", bound=Section)


def check(config: DictConfig) -> TrainConfig:
    """Check everything about the settings of a run that can be known without its files.

    Types and ranges, every group's keys against its class, and whether the groups go together. For
    this each group is built once, so torch is imported.

    Raises:
        ConfigError: with a line for each wrong key: its name, its value and what would be right.
    """
    settings = read_settings(config)
    check_parts(settings)
    return settings


def read_settings(config: DictConfig) -> TrainConfig:
    """Return the settings of a run with their types and ranges checked, without importing torch.

    Raises:
        ConfigError: see `check`.
    """
    settings = read(config, TrainConfig)
    settings._composed = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    return settings


def read(config: DictConfig, kind: type[Kind]) -> Kind:
    """Return a composed configuration as settings of a kind, references resolved.

    Raises:
        ConfigError: see `check`.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_unresolved(error)) from None
    return validate(plain, kind)  # type: ignore[arg-type]


def _unresolved(error: OmegaConfBaseException) -> str:
    key = getattr(error, "full_key", None) or "configuration"
    message = str(error).splitlines()[0]
    if isinstance(error, InterpolationKeyError) and (followed := re.search("'(.+)'", message)):
        group = followed[1].partition(".")[0]
        return (
            f"{key} follows {followed[1]}, which the chosen option of {group} does not have; "
            f"choose another option of {group}, or set {key}"
        )
    return f"{key} must be given: {message}"


def validate(plain: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """Return plain settings as an object of a kind.

    Raises:
        ConfigError: see `check`.
    """
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        lines = dict.fromkeys(_explain(dict(problem), kind) for problem in error.errors())
        raise ConfigError("\n       ".join(lines)) from None


def read_run(config: Mapping[str, Any], folder: Path, trusted: list[str]) -> ModelConfig:
    """Return the settings of a model that a run's file holds, of this or an older version.

    Args:
        config: what the file holds.
        folder: of the run, for errors.
        trusted: packages whose classes the file may name. Only the command line can say so.

    Raises:
        DataError: when the file does not describe a model.
    """
    kept = {key: config[key] for key in ModelConfig.model_fields if key in config}
    plain = with_public_targets({**literal(kept), "trusted_packages": trusted})
    try:
        return validate(plain, ModelConfig)
    except ConfigError as error:
        why = "; ".join(line.strip() for line in str(error).splitlines())
        raise DataError(f"{folder}/config.yaml builds no model of this version: {why}") from None


def literal(plain: Any) -> Any:
    """Return the plain settings of a record for OmegaConf, to which every ``${`` in them is text.

    What follows it could read the environment or make folders.
    """
    if isinstance(plain, dict):
        return {key: literal(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [literal(item) for item in plain]
    return plain.replace("${", r"\${") if isinstance(plain, str) else plain


def _explain(problem: dict[str, Any], kind: type[Section]) -> str:
    """Return one pydantic error as ``key=value: what would be right``."""
    # Of a union each alternative has its type's name in the path, which is no key of ours.
    parts = [part for part in problem["loc"] if isinstance(part, int) or part.isidentifier()]
    parts = [part for part in parts if part not in ("int", "float", "list", "dict")]
    key = ".".join(map(str, parts))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key and not message.startswith(key) else message
    if problem["type"] == "extra_forbidden":
        model: Any = kind
        for part in parts[:-1]:
            model = getattr(model.model_fields[part].annotation, "__mro__", [kind])[0]
        group = ".".join(map(str, parts[:-1]))
        return f"{key}: no such key{nearest(str(parts[-1]), list(model.model_fields), group)}"
    if problem["type"] == "missing":
        return f"{key} must be given"
    if parts[0] == "frame_gap":
        return f"frame_gap: {GAPS['frames']}, not {problem['input']!r}; {GAPS['seconds']}"
    if key == "device":
        message = "must be auto, cpu, mps, cuda or cuda:N"
    elif problem["type"] == "literal_error":
        message = f"must be {problem['ctx']['expected']}".replace("'", "")
    elif problem["type"] == "bool_type":
        message = "must be true or false"
    else:
        return f"{key}={problem['input']!r}: {message}"
    return f"{key}={problem['input']}: {message}"
