"""What a training sample costs: floating-point operations, counted and not timed.

Counted, because seconds differ from machine to machine and from run to run.
"""

import torch
from omegaconf import DictConfig
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from siammae.assembly.build import build_model
from siammae.config.groups import build_group


def gflops_per_pair(config: DictConfig) -> float:
    """Of one sample, forward and backward, in 10^9 operations; an addition and a product are two.

    A sample is a pair, or the given frame and all frames that are restored from it.

    Products of matrices and convolutions are counted, as PyTorch's counter does; element-wise
    operations, the optimiser and the preparation of frames are not.
    """
    model = build_model(config).train()
    count = build_group(config, "targets").count
    frames = torch.zeros(1, 1 + count, 3, config.image_size, config.image_size)
    gap = torch.arange(1, 1 + count).unsqueeze(0)
    # The counter knows matrix products, not every fused kernel of attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(frames, torch.Generator().manual_seed(0), gap=gap).total.backward()
    return counter.get_total_flops() / 1e9
