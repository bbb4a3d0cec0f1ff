"""The paper's optimiser and schedule (Table 4a; conventions of MAE)."""

import math
from collections.abc import Sequence

import torch
from torch import nn


def adamw(
    model: nn.Module, base_lr: float, betas: Sequence[float], weight_decay: float, batch_size: int
) -> torch.optim.AdamW:
    """Build AdamW with peak rate ``base_lr * batch_size / 256`` and no decay on biases and norms.

    As in MAE, only parameters of one dimension are spared the decay: CLS and mask tokens,
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
    """Return the rate of optimiser step ``step``, from 0.

    It rises linearly from near zero to ``peak`` over ``warmup`` steps, then falls as a half cosine
    that reaches zero at ``total``. It is set before the step is taken: in the other order the first
    step would have the full rate.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = rate
