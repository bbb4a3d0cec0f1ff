"""The settings of ``siammae.train``: types and ranges of the keys that no group's class declares.

A group's own keys are declared by its class alone, see `siammae.config.groups`. Here stand the keys
outside of groups, and of groups those that a rule between groups needs.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from siammae.config.groups import PACKAGE, TARGET, Group, Section, build_group
from siammae.config.visible_patches import largest_ratio, visible_count
from siammae.system.errors import ConfigError

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Progress = Literal["auto", "rich", "plain", "none"]
DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"
Device = Annotated[str, Field(pattern=DEVICE)]
Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "off", "blocks", "step"]
Memory = Literal["plain", "checkpoint"]
Parallel = Literal["ddp", "fsdp"]
# Hydra reads runs_dir=2026 as a number.
Folder = Annotated[str, BeforeValidator(lambda given: str(given) if type(given) is int else given)]
Trusted = list[Annotated[str, Field(pattern=rf"^{PACKAGE.pattern}$")]]
GAPS = {
    "frames": "an int >= 1, or [lo, hi] with 1 <= lo <= hi",
    "seconds": "with frame_gap_unit=seconds a number > 0, or [lo, hi] with 0 < lo <= hi",
}
MOST_SECONDS = 30  # a longer gap was meant in frames
PAPER = "paper"  # the protocol that is chosen by default
ALL = "all"  # each protocol in turn


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
    """Which patches are hidden. A strategy may hide patches of the past frame, too."""

    past_ratio: Annotated[float, Field(ge=0, lt=1)] | None = None


class Optim(Section):
    """AdamW."""

    base_lr: Annotated[float, Field(gt=0)]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip: Annotated[float, Field(gt=0)] | None


class Schedule(Section):
    """Duration and warm-up of the training. ``length`` multiplies the duration alone.

    A preset in steps gives the warm-up as a share of ``steps``, so that it follows when ``steps``
    is set on the command line.
    """

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
                    f"not {prefix}steps={steps} and {prefix}epochs={epochs}; "
                    f"type {self._in_one_unit()}"
                )
        for unit in ("steps", "epochs"):
            whole, warmup = getattr(self, unit), getattr(self, f"warmup_{unit}")
            if whole is not None and warmup is not None and warmup >= self.length * whole:
                part = "" if self.length == 1 else f"length={self.length} times "
                raise ValueError(
                    f"warmup_{unit}={warmup} leaves nothing of {part}{unit}={whole}; "
                    f"schedule.warmup_{unit}={int(self.length * whole) // 10} is a tenth"
                )
        return self

    def _in_one_unit(self) -> str:
        """Return settings for the command line that are like these, in steps if steps are given."""
        if self.steps is not None:
            given = self.warmup_steps
            warmup = self.steps // 10 if given is None or given >= self.steps else given
            chosen, other = f"steps={self.steps} schedule.warmup_steps={warmup}", "epochs"
        else:
            epochs = 400 if self.epochs is None else self.epochs
            chosen = f"epochs={epochs:g} schedule.warmup_epochs={epochs / 10:g}"
            other = "steps"
        return f"schedule.{chosen} schedule.{other}=null schedule.warmup_{other}=null"

    def in_steps(self, clips: int, batch_size: int) -> tuple[int, int]:
        """Return the optimiser steps of the whole training and of its warm-up.

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


class Settings(Section):
    """What the commands' settings share.

    trusted_packages: whose classes groups may name beside those of ``siammae``. Only the command
        line gives it: settings that are read from a run's file trust nobody.
    """

    trusted_packages: Trusted = Field(default_factory=list)

    def build(self, group: str, **parts: Any) -> Any:
        """Build the object that a group describes of its keys and of ready parts.

        None when no option of the group is chosen. See `build_group`.
        """
        section = getattr(self, group)
        if section is None:
            return None
        return build_group(section, group, self.trusted_packages, parts)


def _none_without_target(group: Any) -> Any:
    """Return None for a group of which no option is chosen, whatever keys a preset sets of it."""
    return None if isinstance(group, Mapping) and group.get(TARGET) is None else group


NotChosen = BeforeValidator(_none_without_target)
SIAMMAE = {TARGET: "siammae.methods.SiamMAE"}


class MethodKeys:
    """What `siammae.config.essential` asks about a method's keys.

    It cannot ask the methods' classes, which import torch.
    """

    as_before: ClassVar = {"visible_loss": 0, "visible_loss_power": 0.5}  # of runs from before


class ModelConfig(Settings):
    """Everything that a model follows from.

    What the method does not use is None; the method's class says what that is, see `Method`.
    """

    method: Group = Field(default_factory=lambda: Group.model_validate(SIAMMAE))
    mask_ratio: Annotated[float, Field(gt=0, lt=1)] | None
    frame_gap_unit: Literal["frames", "seconds"] = "frames"
    frame_gap: int | float | list[int | float] | None
    seed: NotNegative
    image_size: Positive
    encoder: Encoder
    encoding: Annotated[Group | None, NotChosen] = None
    decoder: Annotated[Transformer | None, NotChosen] = None
    masking: Annotated[Masking | None, NotChosen] = None
    targets: Group
    uncertainty: Annotated[Group | None, NotChosen] = None


class StepConfig(ModelConfig):
    """Everything that the operations of a training sample follow from."""

    augment: Group


class TrainConfig(StepConfig):
    """The whole configuration of ``siammae.train``.

    incidental: keys and groups that cannot change a result. They do not count in a run's signature.
    copied: groups whose content stands in others, or that describe what the others say. They do
        not count either, but make the rows of a table differ.
    as_before: keys that came later, with the value that stands for how runs were before.
    """

    incidental: ClassVar = (
        *(
            "device",
            "compile",
            "memory",
            "parallel",
            "runs_dir",
            "rerun",
            "stale",
            "progress",
            "log_every",
            "checkpoint_every",
            "pictures",
        ),
        *("on_failure", "tracking", "trusted_packages"),
    )
    copied: ClassVar = ("protocol", "experiment")
    as_before: ClassVar = {"frame_gap_unit": "frames", "method": SIAMMAE}

    batch_size: Positive
    accumulate: Positive
    precision: Precision
    device: Device
    compile: Compile = "auto"
    memory: Memory = "plain"
    parallel: Parallel = "ddp"
    runs_dir: Annotated[Folder, Field(min_length=1)]
    rerun: bool
    stale: Literal["warn", "error", "rerun"] = "warn"
    progress: Progress
    log_every: Positive
    checkpoint_every: Positive
    pictures: NotNegative
    on_failure: Literal["continue", "stop"]
    rotation: Group
    data: Group
    optim: Optim
    schedule: Schedule
    protocol: dict[str, JsonValue]
    benchmark: Group
    tracking: Group
    experiment: dict[str, JsonValue] | None

    _composed: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def composed(self) -> dict[str, Any]:
        """The same settings as they were composed, with references such as ``${mask_ratio}``."""
        return self._composed

    @field_validator("frame_gap")
    @classmethod
    def _gap(cls, gap: Any, known: ValidationInfo) -> Any:
        if gap is not None and "frame_gap_unit" in known.data:
            check_gap(gap, known.data["frame_gap_unit"])
        return gap

    @model_validator(mode="after")
    def _combinations(self) -> "TrainConfig":
        patch = self.encoder.patch_size
        if self.image_size % patch:
            near = max(1, round(self.image_size / patch)) * patch
            raise ValueError(
                f"image_size={self.image_size} is not a multiple of encoder.patch_size={patch}; "
                f"the nearest that is: {near}"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of accumulate={self.accumulate}"
            )
        self._check_visible((self.image_size // patch) ** 2)
        if self.protocol["name"] == ALL:
            raise ValueError(
                f"protocol={ALL}: a training is measured under one protocol; siammae.evaluate "
                "takes all of them"
            )
        check_protocol(self.protocol, self.benchmark)
        return self

    def _check_visible(self, patches: int) -> None:
        """Check that at least one patch is seen and one hidden."""
        sizes = f"image_size={self.image_size}, encoder.patch_size={self.encoder.patch_size}"
        if patches == 1:
            raise ValueError(f"{sizes}: one patch cannot be both seen and hidden")
        if self.mask_ratio is None or self.masking is None:
            return
        ratios = {"mask_ratio": self.mask_ratio, "masking.past_ratio": self.masking.past_ratio or 0}
        for name, ratio in ratios.items():
            if visible_count(patches, ratio) == 0:
                raise ValueError(
                    f"{name}={ratio} leaves no patch visible of {patches} ({sizes}); "
                    f"{largest_ratio(patches)} leaves one"
                )
        if visible_count(patches, self.mask_ratio) == patches:
            raise ValueError(f"mask_ratio={self.mask_ratio} leaves no patch hidden of {patches}")


def check_gap(gap: float | list[int | float], unit: str) -> None:
    """Check that a gap is a number of the unit, or two of them, the smaller first.

    Raises:
        ValueError: with what would be right.
    """
    ends = gap if isinstance(gap, list) else [gap, gap]
    least = 1 if unit == "frames" else 0
    kinds = (int,) if unit == "frames" else (int, float)
    fits = all(type(end) in kinds and end >= least and end > 0 for end in ends)
    if len(ends) != 2 or not fits:
        hint = ""
        if unit == "frames" and len(ends) == 2 and all(end > 0 for end in ends):
            hint = "; for seconds say frame_gap_unit=seconds"
        raise ValueError(f"{GAPS[unit]}, not {gap!r}{hint}")
    low, high = ends
    if low > high:
        raise ValueError(f"frame_gap=[{low},{high}] is reversed; write frame_gap=[{high},{low}]")
    if unit == "seconds" and high > MOST_SECONDS:
        raise ValueError(
            f"frame_gap={gap} with frame_gap_unit=seconds is up to {high} seconds, and at most "
            f"{MOST_SECONDS} are taken; the paper's 4 to 48 frames are frame_gap=[0.13,1.6] at 30 "
            "frames a second"
        )


def check_protocol(protocol: dict[str, Any], benchmark: Group) -> None:
    """Refuse ``protocol=NAME`` where the benchmark does not follow it, as built-in sets do not.

    Raises:
        ValueError: naming the keys that can be set instead.
    """
    presets = sorted(set(_presets(benchmark.as_dict())))
    follows = PAPER if protocol["name"] == ALL else protocol["name"]
    if follows not in presets and protocol["name"] != PAPER:
        followed = f"follows '{', '.join(presets)}'" if presets else "propagates no labels"
        raise ValueError(
            f"protocol={protocol['name']} changes nothing: the chosen benchmark {followed}; "
            "its own keys are under benchmark (print them with --cfg job)"
        )


def _presets(section: dict[str, Any]) -> Iterator[str]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _presets(value)
        elif key == "preset" and value is not None:
            yield str(value)
