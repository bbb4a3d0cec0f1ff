"""What a training sample costs: floating-point operations, counted and not timed.

Counted, because seconds differ from machine to machine and from run to run.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from siammae.config.schema import StepConfig

# What the operations of a step follow from; the seed names initial weights alone.
DECIDES = tuple(key for key in StepConfig.model_fields if key != "seed")
SINGLE = "siammae.data.SingleTarget"


def gflops_per_pair(settings: StepConfig) -> float:
    """Return the 10^9 operations of one sample, forward and backward.

    An addition and a product are two. A sample is all that the method takes of a clip at once: a
    pair, a given frame and all that are restored from it, views, a clip. Products of matrices and
    convolutions are counted, as PyTorch's counter does; element-wise operations, the optimiser, the
    preparation of frames and comparisons with other samples of a batch are not.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from siammae.assembly.build import build_model

    model = build_model(settings).train()
    count = settings.build("targets").count
    views = [
        torch.zeros(1, frames, 3, side, side)
        for frames, side in settings.build("augment").sides(1 + count)
    ]
    known = {"gap": torch.arange(1, 1 + count).unsqueeze(0), "label": torch.zeros(1).long()}
    asked = {name: known[name] for name in model.asks}
    # The counter knows matrix products, not every fused kernel of attention.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        given = views if model.several_sizes else views[0]
        model(given, torch.Generator().manual_seed(0), **asked).total.backward()
    return counter.get_total_flops() / 1e9


def equal_compute(config: Mapping[str, Any], gflops: float | None = None) -> float:
    """Return how many samples of a reference cost as much as one with this configuration.

    As ``schedule.length=${equal_compute:}`` it makes a run with several targets as expensive as one
    of the preset's length with pairs, and ``${equal_compute:0.05}`` any run as expensive as one of
    that length whose samples cost 0.05 GFLOPs, so that methods can be compared. Counted in
    operations of this very configuration, see `gflops_per_pair`; four digits, so that the signature
    of a run does not follow from the last bits of a quotient. Imports torch and builds the model,
    once a process for each model.

    Args:
        config: plain and resolved; what it has of the keys of `DECIDES` counts.
        gflops: 10^9 operations of a sample of the reference; None: this configuration's with
            ``targets=single``.
    """
    own = {key: config[key] for key in DECIDES if key in config}
    if gflops is None:
        gap = {"gap": config["frame_gap"], "gap_unit": config["frame_gap_unit"]}
        gflops = _gflops({**own, "targets": {"_target_": SINGLE, **gap}})
    return float(f"{gflops / _gflops(own):.4g}")


def _gflops(config: dict[str, Any]) -> float:
    method = config["method"]
    if method.get("classes", 2) is None:  # a number that the clips decide later, and small change
        config = {**config, "method": {**method, "classes": 2}}
    return _counted(json.dumps(config, sort_keys=True))


@lru_cache(maxsize=64)
def _counted(config: str) -> float:
    import torch

    with torch.random.fork_rng(devices=[]):  # whoever reads a configuration draws nothing
        return gflops_per_pair(StepConfig.model_validate({**json.loads(config), "seed": 0}))
