"""DINO (Caron et al., ICCV 2021): a student matches an average of itself on other views."""

import math
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import override

from siammae.methods.method import Column, Loss, Method
from siammae.model.batch_draws import WHOLE, Part
from siammae.model.encoder import Encoder


class DINOHead(nn.Module):
    """From a CLS token to K scores: an MLP, a unit vector, a weight-normed linear layer.

    Its rows have length 1 and are not trained in length (the paper's ``norm_last_layer``).

    Args:
        inputs: width of the CLS token.
        hidden, bottleneck: widths of the MLP and of the unit vector.
        prototypes: K.
    """

    def __init__(self, inputs: int, hidden: int, bottleneck: int, prototypes: int):
        super().__init__()
        widths = (inputs, hidden, hidden, bottleneck)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, inputs) to scores (B, K)."""
        unit = F.normalize(self.layers(tokens), dim=-1)
        return unit @ F.normalize(self.prototypes, dim=-1).T


class DINO(Method):
    """Self-distillation without labels.

    The teacher sees the large views, the student all; the student's distribution on a view is to
    equal the teacher's on each other view. The teacher is a moving average of the student. Its
    scores are centred and sharpened so that they neither become one nor all alike.

    Args:
        encoder: the student's ViT. The teacher's is what is measured and exported.
        hidden, bottleneck, prototypes: of the head; 2048, 256 and 65536 in the paper.
        student_temperature: of the student's softmax.
        teacher_temperature: at the start and, after ``warmup`` of the training, to its end.
        warmup: share of the training in which the teacher's temperature rises.
        momentum: of the moving average at the start; it rises along a cosine to 1.
        centre_momentum: of the moving mean of the teacher's scores.
        frozen: share of the training in which the prototypes are not trained; one epoch in the
            paper.
    """

    several_sizes: ClassVar = True
    centre: Tensor
    counted: Tensor
    summed: Tensor
    temperature: Tensor

    def __init__(
        self,
        encoder: Encoder,
        hidden: int = 2048,
        bottleneck: int = 256,
        prototypes: int = 65536,
        student_temperature: float = 0.1,
        teacher_temperature: Sequence[float] = (0.04, 0.07),
        warmup: float = 0.1,
        momentum: float = 0.996,
        centre_momentum: float = 0.9,
        frozen: float = 0.01,
    ):
        super().__init__()
        sizes = {"hidden": hidden, "bottleneck": bottleneck, "prototypes": prototypes}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} {size} must be at least 1")
        shares = {"warmup": warmup, "momentum": momentum, "centre_momentum": centre_momentum}
        for name, share in {**shares, "frozen": frozen}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} {share} is not between 0 and 1")
        if min(student_temperature, *teacher_temperature) <= 0 or len(teacher_temperature) != 2:
            raise ValueError("temperatures must be above 0, and the teacher's two")
        self.encoder, self.head = encoder, DINOHead(encoder.width, hidden, bottleneck, prototypes)
        self.teacher = deepcopy(encoder).requires_grad_(False)
        self.teacher_head = deepcopy(self.head).requires_grad_(False)
        self.student_temperature, self.temperatures = student_temperature, teacher_temperature
        self.warmup, self.momentum, self.frozen = warmup, momentum, frozen
        self.centre_momentum = centre_momentum
        # A tensor, since a compiler takes numbers for constants.
        first = torch.tensor(float(teacher_temperature[0]))
        self.register_buffer("temperature", first, persistent=False)
        self.register_buffer("centre", torch.zeros(prototypes))
        # Of a step's parts, until the step ends.
        self.register_buffer("summed", torch.zeros(prototypes), persistent=False)
        self.register_buffer("counted", torch.zeros(1), persistent=False)

    @override
    def forward(
        self, frames: Sequence[Tensor], generator: Generator | None = None, part: Part = WHOLE
    ) -> Loss:
        """Return the mean cross-entropy over pairs of a teacher's view and another view.

        Args:
            frames: large views (B, 2, 3, S, S), and if there are any small ones (B, V, 3, s, s).
            generator, part: not used, as nothing is drawn here.
        """
        wanted = self._teach(frames[0])
        student = [v for size in frames for v in self._scores(self.encoder, self.head, size)]
        logs = [(scores / self.student_temperature).log_softmax(dim=-1) for scores in student]
        costs = [
            -(target * log).sum(dim=-1).mean()
            for i, target in enumerate(wanted)
            for j, log in enumerate(logs)
            if i != j
        ]
        sure = torch.stack(wanted).float()
        entropy = -(sure * sure.clamp(min=1e-12).log()).sum(dim=-1).mean()
        return Loss(torch.stack(costs).mean(), {"train/teacher_entropy": entropy})

    @torch.no_grad()
    def _teach(self, large: Tensor) -> list[Tensor]:
        """Return the teacher's centred and sharpened distribution (B, K) on each large view."""
        scores = self._scores(self.teacher, self.teacher_head, large)
        if self.training:
            self.summed += torch.stack(scores).sum(dim=(0, 1))
            self.counted += len(scores) * len(large)
        return [((view - self.centre) / self.temperature).softmax(dim=-1) for view in scores]

    @staticmethod
    def _scores(encoder: Encoder, head: DINOHead, views: Tensor) -> list[Tensor]:
        """Return the scores (B, K) of each of V views (B, V, 3, S, S) of one size."""
        tokens = encoder.tokens(views.flatten(0, 1))[:, 0]
        return list(head(tokens).float().view(*views.shape[:2], -1).unbind(1))

    @override
    def begin_step(self, step: int, steps: int) -> None:
        """Set the teacher's temperature, and whether the prototypes are trained."""
        low, high = self.temperatures
        done = (step - 1) / (self.warmup * steps) if self.warmup else 1.0
        self.temperature.fill_(low + (high - low) * min(1.0, done))
        self.head.prototypes.requires_grad_(step > self.frozen * steps)

    @override
    @torch.no_grad()
    def end_step(self, step: int, steps: int) -> None:
        """Move the teacher towards the student, and the centre towards the batch's mean score."""
        keep = 1 - (1 - self.momentum) * (math.cos(math.pi * (step - 1) / steps) + 1) / 2
        for one, other in ((self.teacher, self.encoder), (self.teacher_head, self.head)):
            for average, current in zip(one.parameters(), other.parameters(), strict=True):
                average.lerp_(current, 1 - keep)
        sums = self.everyone(torch.cat([self.summed, self.counted]).unsqueeze(0)).sum(dim=0)
        self.centre.lerp_(sums[:-1] / sums[-1], 1 - self.centre_momentum)
        self.summed.zero_()
        self.counted.zero_()

    @override
    def exported(self) -> Encoder:
        """Return the teacher's encoder, which is the better of the two (section 5.2)."""
        return self.teacher

    @override
    def columns(self, frames: Sequence[Tensor], outcome: Loss) -> list[Column]:
        """Return all views, small ones in the middle of a large tile."""
        large = frames[0]
        columns = []
        for size in frames:
            margin = (large.shape[-1] - size.shape[-1]) // 2
            rest = large.shape[-1] - size.shape[-1] - margin
            tiles = F.pad(size.float().cpu(), (margin, rest, margin, rest))
            columns += [Column(view) for view in tiles.unbind(1)]
        return columns
