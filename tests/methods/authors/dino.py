"""DINO, ``main_dino.py``, over several steps of its training."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from siammae.methods.dino import DINO
from tests.methods.authors.checkout import load as load_module
from tests.methods.authors.comparison import (
    VIT,
    Case,
    Report,
    build,
    compare_loaded,
    frames,
    load,
)
from tests.methods.authors.names import Weights, moved

CODE = "facebookresearch/dino"
COMMIT = "7c446df"
APART = (
    "Their positions are ours, and stay: theirs are trained.",
    "Ours resizes positions for small views by scale, as theirs does, and not by size.",
    "Stochastic depth is off. An epoch is one step, since their temperature follows epochs.",
)
STEPS, RATE, PROTOTYPES = 4, 0.1, 64
# Shares of the training: 2 of 4 steps, and 1. A fast average, so that a wrong one would show.
WARMUP, FROZEN, MOMENTUM = 0.5, 0.25, 0.5


def reports(folder: Path) -> Iterator[Report]:
    """Compare step by step; each has the teacher and the centre of those before."""
    code: Any = load_module(folder, "main_dino")
    _, ours = build(
        "dino", f"method.prototypes={PROTOTYPES}", f"method.warmup={WARMUP}",
        f"method.frozen={FROZEN}", f"method.momentum={MOMENTUM}",
    )  # fmt: skip
    assert isinstance(ours, DINO)
    ours.encoder.tokens = partial(ours.encoder.tokens, by_scale=True)  # type: ignore[method-assign]
    theirs, loss = networks(code), losses(code)
    load(case(code, 1, ours, theirs, loss))
    theirs["teacher"].requires_grad_(False)
    theirs.get_parameter("student.backbone.pos_embed").requires_grad_(False)
    momenta = code.utils.cosine_scheduler(MOMENTUM, 1, STEPS, 1)
    with alone_in_a_group():
        for step in range(1, STEPS + 1):
            ours.begin_step(step, STEPS)
            yield compare_loaded(case(code, step, ours, theirs, loss))
            descend(ours)
            descend(theirs)
            ours.end_step(step, STEPS)
            follow(theirs["student"], theirs["teacher"], 1 - float(momenta[step - 1]))


def networks(code: Any) -> nn.ModuleDict:
    """Build their student and teacher."""
    made = {}
    for name in ("student", "teacher"):
        backbone = code.vits.VisionTransformer(
            img_size=[224], embed_dim=VIT["width"], depth=VIT["depth"], num_heads=VIT["heads"],
            qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )  # fmt: skip
        head = code.DINOHead(VIT["width"], PROTOTYPES)
        made[name] = code.utils.MultiCropWrapper(backbone, head)
    return nn.ModuleDict(made)


def losses(code: Any) -> nn.Module:
    """Build their loss of two large and two small views."""
    warm = 1 + int(WARMUP * STEPS)  # epochs until the last temperature, the first one included
    return code.DINOLoss(PROTOTYPES, 4, 0.04, 0.07, warm, STEPS).double()


def case(code: Any, step: int, ours: DINO, theirs: nn.ModuleDict, loss: nn.Module) -> Case:
    """Return one step's case, with views of its own."""
    large, small = frames(2) + 0.1 * step, frames(2, size=96) - 0.1 * step
    views = [*large.unbind(1), *small.unbind(1)]
    student, teacher = theirs["student"], theirs["teacher"]
    return Case(
        f"step {step}",
        ours,
        theirs,
        names,
        lambda: ours([large, small]).total,
        lambda: loss(student(views), teacher(views[:2]), step - 1),
        after=lambda: code.utils.cancel_gradients_last_layer(
            step - 1, student, int(FROZEN * STEPS)
        ),
    )


@contextmanager
def alone_in_a_group() -> Iterator[None]:
    """Be the only process of a group, of which their loss takes the mean."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@torch.no_grad()
def descend(model: nn.Module) -> None:
    """Go a step along the gradients."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.sub_(parameter.grad, alpha=RATE)


@torch.no_grad()
def follow(student: nn.Module, teacher: nn.Module, share: float) -> None:
    """Move the teacher by a share of the way to the student."""
    for one, other in zip(teacher.parameters(), student.parameters(), strict=True):
        one.lerp_(other, share)


def names(weights: Weights) -> dict[str, Tensor]:
    """Return our parameters by their names."""
    found: dict[str, Tensor] = {}
    for encoder, head, theirs in (
        ("encoder", "head", "student"),
        ("teacher", "teacher_head", "teacher"),
    ):
        found |= moved(weights, encoder, f"{theirs}.backbone")
        found |= moved(weights, f"{head}.layers", f"{theirs}.head.mlp")
        rows = weights[f"{head}.prototypes"]
        found[f"{theirs}.head.last_layer.weight_v"] = rows
        found[f"{theirs}.head.last_layer.weight_g"] = torch.ones_like(rows[:, :1]).detach()
    return found
