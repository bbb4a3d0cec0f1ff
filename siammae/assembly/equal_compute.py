"""How long a training may be that costs no more than one of pairs."""

import json
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from siammae.system.paths import CONFIGS

# What the operations of a step follow from; the seed names initial weights alone.
DECIDES = (
    "encoder", "encoding", "decoder", "masking", "uncertainty", "targets", "mask_ratio",
    "frame_gap", "frame_gap_unit", "image_size",
)  # fmt: skip
PAIRS = CONFIGS / "targets" / "single.yaml"


def equal_compute(_root_: DictConfig) -> float:
    """``${equal_compute:}`` in a configuration: what one step with ``targets=single`` costs of one
    with these targets, everything else being equal.

    As ``schedule.length`` it makes a run with several targets as expensive as one of the preset's
    length with pairs. Counted in floating-point operations of this very configuration, see
    `gflops_per_pair`; four digits, so that the signature of a run does not follow from the last
    bits of a quotient. Imports torch and builds the model, once a process for each model.
    """
    plain = {
        key: OmegaConf.to_container(_root_[key], resolve=True)
        if OmegaConf.is_config(_root_[key])
        else _root_[key]
        for key in DECIDES
    }
    given = {key: plain[key] for key in ("frame_gap", "frame_gap_unit")}
    pairs: Any = OmegaConf.create(given)
    pairs.targets = OmegaConf.load(PAIRS)
    single = OmegaConf.to_container(pairs, resolve=True)["targets"]  # type: ignore[index,call-overload]
    return float(f"{_gflops({**plain, 'targets': single}) / _gflops(plain):.4g}")


def _gflops(plain: dict[str, Any]) -> float:
    return _counted(json.dumps(plain, sort_keys=True))


@lru_cache(maxsize=64)
def _counted(plain: str) -> float:
    import torch

    from siammae.assembly.flops import gflops_per_pair

    with torch.random.fork_rng(devices=[]):  # whoever reads a configuration draws nothing
        return gflops_per_pair(OmegaConf.create({**json.loads(plain), "seed": 0}))
