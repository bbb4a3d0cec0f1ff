"""What a training pair costs: floating-point operations, counted and not timed.

Counted, because seconds differ from machine to machine and from run to run.
"""

import torch
from omegaconf import DictConfig
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from siammae.training.build import build_model


def gflops_per_pair(config: DictConfig) -> float:
    """Of one pair, forward and backward, in 10^9 operations; an addition and a product are two.

    Products of matrices and convolutions are counted, as PyTorch's counter does; element-wise
    operations, the optimiser and the preparation of frames are not.
    """
    model = build_model(config).train()
    frames = torch.zeros(1, 2, 3, config.image_size, config.image_size)
    # The counter knows matrix products, not every fused kernel of attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(frames, torch.Generator().manual_seed(0)).total.backward()
    return counter.get_total_flops() / 1e9
