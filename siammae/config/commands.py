"""The settings of the commands beside ``siammae.train``."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue, model_validator

from siammae.config.groups import Group
from siammae.config.schema import (
    Device,
    Folder,
    Positive,
    Precision,
    Progress,
    Settings,
    check_protocol,
)

Amount = Annotated[float, Field(gt=0)]
WrittenFolder = Annotated[Folder, Field(min_length=1)] | None


class EncoderSettings(Settings):
    """Which encoder is looked at. ``features`` is built from the keys that its option uses.

    The values of those keys are checked by the class that ``features`` names.
    """

    keys: ClassVar = (
        *("checkpoint", "model", "pretrained", "weights"),
        *("path", "format", "heads", "state_dict"),
    )

    features: Group
    checkpoint: JsonValue
    model: JsonValue
    pretrained: JsonValue
    weights: JsonValue
    path: JsonValue
    format: JsonValue
    heads: JsonValue
    state_dict: JsonValue
    layer: JsonValue


class EvaluateConfig(EncoderSettings):
    """The settings of ``siammae.evaluate``."""

    protocol: dict[str, JsonValue]
    benchmark: Group
    precision: Precision
    device: Device
    progress: Progress
    out: WrittenFolder
    save_masks: WrittenFolder
    overlay: WrittenFolder
    results_dir: Annotated[Folder, Field(min_length=1)]
    rerun: bool

    @model_validator(mode="after")
    def _follows(self) -> "EvaluateConfig":
        check_protocol(self.protocol, self.benchmark)
        return self


class LookConfig(EncoderSettings):
    """The settings of ``siammae.look``."""

    video: Folder
    out: Folder | None
    start: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=2)]
    every: Positive
    short_side: Positive | None
    device: Device


class PackConfig(Settings):
    """The settings of ``siammae.pack``."""

    data: Group
    out: Annotated[Folder, Field(min_length=1)]
    stride: Positive
    quality: Annotated[int, Field(ge=1, le=100)]
    short_side: Positive | Literal["data"] | None
    shard_mb: Positive
    workers: Positive
    verify: bool
    progress: Progress


class AuditConfig(Settings):
    """The settings of ``siammae.audit``."""

    data: Group
    out: Folder | None
    workers: Positive | None
    timeout_s: Amount
    again: Literal["none", "broken", "all"]
    strict: bool
    progress: Progress


def used_keys(settings: EncoderSettings) -> set[str]:
    """Return which of the keys that name an encoder the chosen option of ``features`` uses."""
    given: dict[str, Any] = settings.features.as_dict()
    return set(settings.keys) & given.keys()
