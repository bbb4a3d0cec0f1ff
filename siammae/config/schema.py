"""Types, ranges and combinations of the settings, checked before anything is built.

Only what can be told without building: what a group's class accepts is checked where it is built,
so that a new class brings its own arguments without an entry here.
"""

import difflib
import re
from typing import Annotated, Any, Literal, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from siammae.config.combinations import (
    GAPS,
    check_gap,
    check_places,
    check_resizing,
    check_smart_masking,
    check_targets,
    check_uncertainty,
)
from siammae.config.visible_patches import largest_ratio, visible_count
from siammae.system.errors import ConfigError

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Progress = Literal["auto", "rich", "plain", "none"]
DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"


class Section(BaseModel):
    """Keys are typed strictly: a number in quotes is not a number; unknown keys are refused.

    nan and inf are no values of any key.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class Group(Section):
    """A group whose class is named by ``_target_``: keys that only it knows are its own matter."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]
    target: str | None = Field(alias="_target_")


class Transformer(Group):
    """Encoder and decoder."""

    width: Positive
    depth: Positive
    heads: Positive

    @model_validator(mode="after")
    def _fits(self) -> "Transformer":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.width % 4:
            raise ValueError(f"width {self.width} is not a multiple of 4 (sine-cosine positions)")
        return self


class Encoder(Transformer):
    """The ViT."""

    patch_size: Positive


class Masking(Group):
    """What is hidden; a strategy may hide patches of the past frame, too."""

    past_ratio: Annotated[float, Field(ge=0, lt=1)] | None = None


class Data(Group):
    """Where clips come from and how they are read; of a mixture each part says so itself."""

    root: str = ""
    repeated_sampling: Positive
    short_side: Positive | None = None
    workers: NotNegative
    max_broken: Share
    in_memory: bool = False
    manifest: str | None = None


class Optim(Section):
    """AdamW."""

    base_lr: Annotated[float, Field(gt=0)]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)] | None


class Schedule(Section):
    """Duration and warm-up of the training; ``length`` multiplies the former alone."""

    length: Annotated[float, Field(gt=0)]
    epochs: Annotated[float, Field(gt=0)] | None
    warmup_epochs: Annotated[float, Field(ge=0)] | None
    steps: Positive | None
    warmup_steps: NotNegative | None
    evaluations: Positive

    @model_validator(mode="after")
    def _one_unit(self) -> "Schedule":
        for prefix in ("", "warmup_"):
            steps, epochs = getattr(self, f"{prefix}steps"), getattr(self, f"{prefix}epochs")
            if (steps is None) == (epochs is None):
                raise ValueError(
                    f"give {prefix}steps or {prefix}epochs and set the other to null, "
                    f"not {prefix}steps={steps} and {prefix}epochs={epochs}"
                )
        for unit in ("steps", "epochs"):
            whole, warmup = getattr(self, unit), getattr(self, f"warmup_{unit}")
            if whole is not None and warmup is not None and warmup >= self.length * whole:
                part = "" if self.length == 1 else f"length={self.length} times "
                raise ValueError(f"warmup_{unit}={warmup} leaves nothing of {part}{unit}={whole}")
        return self

    def in_steps(self, clips: int, batch_size: int) -> tuple[int, int]:
        """Optimiser steps of the whole training and of its warm-up, over so many clips.

        Raises:
            ConfigError: when the warm-up is not shorter.
        """

        def count(steps: float | None, epochs: float | None) -> int:
            return round(steps if steps is not None else (epochs or 0) * clips / batch_size)

        epochs = None if self.epochs is None else self.length * self.epochs
        steps = None if self.steps is None else self.length * self.steps
        whole, warmup = max(1, count(steps, epochs)), count(self.warmup_steps, self.warmup_epochs)
        if warmup >= whole:
            part = "" if self.length == 1 else f" (length={self.length})"
            raise ConfigError(
                f"schedule: a warm-up of {warmup} steps leaves nothing of {whole} steps{part}"
            )
        return whole, warmup


class TrainConfig(Section):
    """The whole configuration of ``siammae.train``."""

    mask_ratio: Annotated[float, Field(gt=0, lt=1)]
    frame_gap_unit: Literal["frames", "seconds"] = "frames"
    frame_gap: int | float | list[int | float]
    seed: NotNegative
    image_size: Positive
    batch_size: Positive
    accumulate: Positive
    precision: Literal["auto", "fp32", "bf16"]
    device: Annotated[str, Field(pattern=DEVICE)]
    runs_dir: Annotated[str, Field(min_length=1)]
    rerun: bool
    stale: Literal["warn", "error", "rerun"] = "warn"
    progress: Progress
    log_every: Positive
    checkpoint_every: Positive
    pictures: NotNegative
    on_failure: Literal["continue", "stop"]
    encoder: Encoder
    encoding: Group
    decoder: Transformer
    masking: Masking
    rotation: Group
    targets: Group
    uncertainty: Group
    data: Data
    augment: Group
    optim: Optim
    schedule: Schedule
    protocol: dict[str, JsonValue]
    benchmark: Group
    tracking: Group
    experiment: dict[str, JsonValue] | None

    @field_validator("frame_gap")
    @classmethod
    def _gap(cls, gap: Any, known: ValidationInfo) -> Any:
        if "frame_gap_unit" in known.data:
            check_gap(gap, known.data["frame_gap_unit"])
        return gap

    @model_validator(mode="after")
    def _combinations(self) -> "TrainConfig":
        patch, repeated = self.encoder.patch_size, self.data.repeated_sampling
        if self.image_size % patch:
            near = max(1, round(self.image_size / patch)) * patch
            raise ValueError(
                f"image_size={self.image_size} is not a multiple of encoder.patch_size={patch}; "
                f"the nearest that is: {near}"
            )
        if self.batch_size % (self.accumulate * repeated):
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of accumulate={self.accumulate} "
                f"times data.repeated_sampling={repeated}"
            )
        self._check_visible((self.image_size // patch) ** 2)
        check_targets(self)
        check_uncertainty(self)
        check_smart_masking(self)
        check_places(self)
        check_resizing(self)
        return self

    def _check_visible(self, patches: int) -> None:
        """At least one patch must be seen and one hidden."""
        sizes = f"image_size={self.image_size}, encoder.patch_size={self.encoder.patch_size}"
        if patches == 1:
            raise ValueError(f"{sizes}: one patch cannot be both seen and hidden")
        ratios = {"mask_ratio": self.mask_ratio, "masking.past_ratio": self.masking.past_ratio or 0}
        for name, ratio in ratios.items():
            if visible_count(patches, ratio) == 0:
                raise ValueError(
                    f"{name}={ratio} leaves no patch visible of {patches} ({sizes}); "
                    f"{largest_ratio(patches)} leaves one"
                )
        if visible_count(patches, self.mask_ratio) == patches:
            raise ValueError(f"mask_ratio={self.mask_ratio} leaves no patch hidden of {patches}")


def check(config: DictConfig) -> TrainConfig:
    """The settings as a typed object.

    Raises:
        ConfigError: with a line for each wrong key: its name, its value and what would be right.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "configuration"
        raise ConfigError(f"{key} must be given: {str(error).splitlines()[0]}") from None
    try:
        return TrainConfig.model_validate(plain)
    except ValidationError as error:
        lines = dict.fromkeys(_explain(dict(problem)) for problem in error.errors())
        raise ConfigError("\n       ".join(lines)) from None


def check_device(device: Any) -> None:
    """A device's name, for commands that are not trainings.

    Raises:
        ConfigError: when it is none.
    """
    if not isinstance(device, str) or not re.match(DEVICE, device):
        raise ConfigError(f"device={device}: must be auto, cpu, mps, cuda or cuda:N")


def check_progress(progress: Any) -> None:
    """How a command tells of its progress.

    Raises:
        ConfigError: when it is no such way.
    """
    if progress not in get_args(Progress):
        raise ConfigError(f"progress={progress}: must be auto, rich, plain or none")


def nearest(name: str, valid: list[str]) -> str:
    """`` (did you mean 'x'?)`` with the closest valid name, or an empty text."""
    close = difflib.get_close_matches(name, valid, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _explain(problem: dict[str, Any]) -> str:
    """One pydantic error as ``key=value: what would be right``."""
    # Alternatives of a union are told by their type's name, which is no key of ours.
    parts = [part for part in problem["loc"] if isinstance(part, int) or part.isidentifier()]
    parts = [part for part in parts if part not in ("int", "float", "list", "dict")]
    key = ".".join(map(str, parts))
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key and not message.startswith(key) else message
    if problem["type"] == "extra_forbidden":
        model: Any = TrainConfig
        for part in parts[:-1]:
            model = getattr(model.model_fields[part].annotation, "__mro__", [TrainConfig])[0]
        return f"{key}: no such key{nearest(str(parts[-1]), list(model.model_fields))}"
    if parts[0] == "frame_gap":
        return f"frame_gap: {GAPS['frames']}, not {problem['input']!r}; {GAPS['seconds']}"
    return f"{key}={problem['input']!r}: {message}"
