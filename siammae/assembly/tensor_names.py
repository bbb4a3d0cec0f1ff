"""Comparing the tensors of a file with those that a model wants."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 6


def differences(wanted: Mapping[str, "Tensor"], given: Mapping[str, "Tensor"]) -> str:
    """What does not fit, on one line; empty when all names and shapes do."""
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
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
