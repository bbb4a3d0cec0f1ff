"""The settings of label propagation, apart from the code that computes it: they need no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, ClassVar

CHOICES = {
    "window": ("disc", "square"),
    "start": ("grow", "repeat"),
    "ties": ("drop", "keep"),
    "labels": ("soft", "hard"),
    "rounding": ("nearest", "floor"),
    "side": ("short", "long"),
    "resize": ("bicubic", "bilinear", "plain", "nearest"),
    "argmax_at": ("own", "input"),
    "score_at": ("own", "input"),
    "precision": ("auto", "fp32", "fp16"),
    "positions": ("size", "scale"),
}


@dataclass(frozen=True)
class Propagation:
    """A protocol of label propagation: how labels of the first frame reach the others.

    Published scripts differ in every one of these; ``configs/protocol/`` holds their settings.

    top_k: nearest patches that vote.
    queue: how many of the last frames are searched, beside the first.
    radius: of the window, in patches.
    temperature: of the softmax over the k cosines. The paper does not print it; 0.7 (CropMAE and
        CatMAE, whose SiamMAE reaches the paper's ablation figure) makes nearly equal votes, 0.1 is
        DINO's, 0.05 videowalk's.
    window: ``disc`` (distance < radius; videowalk, CropMAE) or ``square`` (<= radius; DINO).
    window_first: the window holds for the first frame too (DINO); otherwise the first frame is
        searched everywhere (videowalk, CropMAE).
    first_always: the first frame is searched at any time; otherwise only while it is in the queue.
    start: the queue ``grow``s from nothing (DINO), or is filled by ``repeat``ing the first frame
        (videowalk, CropMAE), whose copies then crowd out others among the k.
    ties: patches that tie with the k-th are ``drop``ped (exactly k vote), or ``keep`` their vote
        (DINO).
    labels: of the first frame on the grid of patches: ``soft`` (bilinear shares; videowalk) or
        ``hard`` (the nearest pixel's; DINO).
    rescale: stretch each label's map to 0..1 before the largest wins (DINO's ``norm_mask``).
    input_size: frames are resized for the encoder to this
    side: the ``short`` or the ``long`` one; or to [height, width]; None keeps their size.
    multiple: the other side, or both where none is given, are brought to multiples of this many
        pixels (None: the patch), by
    rounding: to the ``nearest``, or down (``floor``).
    resize: interpolation of frames: ``bicubic`` and ``bilinear`` antialiased; ``plain`` bilinear,
        OpenCV's default and the scripts'; or ``nearest``, as the copies of DAVIS that CropMAE and
        RSP evaluate on were made.
    argmax_at: the largest label is taken at the masks' ``own`` size, or at the ``input``'s and then
        copied to the nearest pixel (DINO, videowalk).
    score_at: scores are taken on masks of their ``own`` size, or on true masks resized to the
        ``input``'s (CropMAE, RSP); the latter is not comparable with the official task.
    precision: of the cosines: ``fp16`` halves memory on a GPU; ``auto`` takes it there only.
    positions: how an encoder's absolute positions are brought to another grid by bicubic
        interpolation: to its ``size``, or by the ``scale`` of rows and columns, each grown by 0.1
        against rounding down, which shifts where values are taken (DINO, CropMAE).
    preset, task: name of the settings and which of them, for captions.

    Raises:
        ValueError: when a number is out of range or a choice is unknown.
    """

    as_before: ClassVar = {"positions": "size"}  # of runs from before the key

    top_k: int = 7
    queue: int = 20
    radius: float = 20
    temperature: float = 0.7
    window: str = "disc"
    window_first: bool = False
    first_always: bool = True
    start: str = "grow"
    ties: str = "drop"
    labels: str = "soft"
    rescale: bool = False
    input_size: int | Sequence[int] | None = None
    side: str = "short"
    multiple: int | None = None
    rounding: str = "nearest"
    resize: str = "bicubic"
    argmax_at: str = "own"
    score_at: str = "own"
    precision: str = "auto"
    positions: str = "size"
    preset: str | None = None
    task: str | None = None

    def __post_init__(self) -> None:
        self._check_types()
        if not self.first_always and self.queue < 1:
            raise ValueError("propagation with first_always=false needs queue >= 1")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} '{getattr(self, name)}' is none of {', '.join(choices)}")
        if isinstance(self.input_size, Sequence) and not isinstance(self.input_size, str):
            object.__setattr__(self, "input_size", list(self.input_size))
        several = isinstance(self.input_size, list)
        sides: Any = self.input_size if several else [self.input_size]
        wrong = any(type(side) is not int or side < 1 for side in sides)
        if self.input_size is not None and (wrong or (several and len(sides) != 2)):
            raise ValueError(
                f"propagation.input_size={self.input_size}: null, a side in pixels (an int >= 1) "
                "or [height, width] is needed"
            )
        if self.score_at == "input" and not isinstance(self.input_size, list):
            raise ValueError("score_at 'input' needs input_size=[height, width]")

    def _check_types(self) -> None:
        """Check that numbers and truth values are such; ``no`` would count as true."""
        for name, least in {"top_k": 1, "queue": 0, "multiple": 1}.items():
            value = getattr(self, name)
            if value is None and name == "multiple":
                continue
            if type(value) is not int or value < least:
                or_null = " or null" if name == "multiple" else ""
                raise ValueError(
                    f"propagation.{name}={value}: an int >= {least}{or_null} is needed"
                )
        for name in ("radius", "temperature"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 < value < inf:
                raise ValueError(f"propagation.{name}={value}: a number > 0 is needed")
        for name in ("window_first", "first_always", "rescale"):
            value = getattr(self, name)
            if type(value) is not bool:
                raise ValueError(f"propagation.{name}={value}: a bool is needed, true or false")

    def settings(self) -> dict[str, Any]:
        """Return all settings, for the caption of a table."""
        return asdict(self)

    def input_shape(self, shape: Sequence[int], patch_size: int) -> tuple[int, int]:
        """Return height and width of the encoder's input for frames of ``shape`` (height, width).

        Raises:
            ValueError: when ``multiple`` is no multiple of the patch.
        """
        multiple = self.multiple or patch_size
        if multiple % patch_size:
            raise ValueError(f"multiple {multiple} is not a multiple of the patch of {patch_size}")
        whole = round if self.rounding == "nearest" else int
        if not isinstance(self.input_size, int):
            wanted: Sequence[float] = shape if self.input_size is None else self.input_size
            height, width = (max(1, whole(side / multiple)) * multiple for side in wanted)
            return height, width
        given = shape.index((min if self.side == "short" else max)(shape))
        other = shape[1 - given] * self.input_size / shape[given]
        sides = [0, 0]
        sides[given] = max(1, round(self.input_size / patch_size)) * patch_size
        sides[1 - given] = max(1, whole(other / multiple)) * multiple
        return sides[0], sides[1]
