"""The paper's optimiser and schedule (Table 4a; conventions of MAE)."""

import math
from collections.abc import Sequence

import torch
from torch import nn


def adamw(
    model: nn.Module, base_lr: float, betas: Sequence[float], weight_decay: float, batch_size: int
) -> torch.optim.AdamW:
    """AdamW whose peak rate is ``base_lr * batch_size / 256``; no decay on biases and norms.

    As MAE's helper, only parameters of one dimension go without decay: CLS and mask tokens,
    (1, 1, D), are decayed.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    peak = base_lr * batch_size / 256
    first, second = betas
    # The fused kernel is one launch, on CPU too, instead of a few for every parameter.
    return torch.optim.AdamW(groups, lr=peak, betas=(first, second), fused=True)


def learning_rate(step: int, peak: float, warmup: int, total: int) -> float:
    """The rate of optimiser step ``step`` (from 0): linear from near zero to ``peak`` over
    ``warmup`` steps, then a half cosine that reaches zero at ``total``.

    It is set before the step is taken: the other order makes the first step at full rate.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
