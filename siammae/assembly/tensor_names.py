"""Comparison of a file's tensors with those that a model expects."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 6


def differences(wanted: Mapping[str, "Tensor"], given: Mapping[str, "Tensor"]) -> str:
    """Describe on one line which names and shapes do not fit; empty when all do."""
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    parts = {"missing": missing, "unmatched": extra, "of another shape": shapes}
    return "; ".join(f"{what}: {listed(names)}" for what, names in parts.items() if names)


def listed(names: list[str]) -> str:
    """Return the first few names and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
