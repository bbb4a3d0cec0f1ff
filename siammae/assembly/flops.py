"""What a training sample costs: floating-point operations, counted and not timed.

Counted, because seconds differ from machine to machine and from run to run.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from siammae.config.schema import ModelConfig

# What the operations of a step follow from; the seed names initial weights alone.
DECIDES = tuple(key for key in ModelConfig.model_fields if key != "seed")


def gflops_per_pair(settings: ModelConfig) -> float:
    """Return the 10^9 operations of one sample, forward and backward.

    An addition and a product are two. A sample is a pair, or the given frame and all frames that
    are restored from it. Products of matrices and convolutions are counted, as PyTorch's counter
    does; element-wise operations, the optimiser and the preparation of frames are not.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from siammae.assembly.build import build_model

    model = build_model(settings).train()
    count = settings.build("targets").count
    frames = torch.zeros(1, 1 + count, 3, settings.image_size, settings.image_size)
    known = {"gap": torch.arange(1, 1 + count).unsqueeze(0), "label": torch.zeros(1).long()}
    asked = {name: known[name] for name in model.asks}
    # The counter knows matrix products, not every fused kernel of attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(frames, torch.Generator().manual_seed(0), **asked).total.backward()
    return counter.get_total_flops() / 1e9


def equal_compute(config: Mapping[str, Any]) -> float:
    """Return what one step with ``targets=single`` costs of one with these targets, all else equal.

    As ``schedule.length=${equal_compute:}`` it makes a run with several targets as expensive as one
    of the preset's length with pairs. Counted in operations of this very configuration, see
    `gflops_per_pair`; four digits, so that the signature of a run does not follow from the last
    bits of a quotient. Imports torch and builds the model, once a process for each model.

    Args:
        config: plain and resolved, at least the keys of `DECIDES`.
    """
    gap = {"gap": config["frame_gap"], "gap_unit": config["frame_gap_unit"]}
    pairs = {"_target_": "siammae.data.SingleTarget", **gap}
    own = {key: config[key] for key in DECIDES}
    return float(f"{_gflops({**own, 'targets': pairs}) / _gflops(own):.4g}")


def _gflops(config: dict[str, Any]) -> float:
    return _counted(json.dumps(config, sort_keys=True))


@lru_cache(maxsize=64)
def _counted(config: str) -> float:
    import torch

    with torch.random.fork_rng(devices=[]):  # whoever reads a configuration draws nothing
        return gflops_per_pair(ModelConfig.model_validate({**json.loads(config), "seed": 0}))
