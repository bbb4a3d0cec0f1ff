"""The name of a run: a hash of everything that can change its result."""

import hashlib
import json
from typing import Any

# Settings that cannot change a result. Data and benchmark count by their fingerprints, not by
# where they lie.
VOLATILE = (
    "device",
    "runs_dir",
    "rerun",
    "stale",
    "progress",
    "log_every",
    "checkpoint_every",
    "pictures",
    "on_failure",
    "tracking",
    "experiment",
    "data.root",
    "data.clip_list",
    "data.workers",
    "data.in_memory",
    "data.cache",
    "data.cache_gb",
    "data.manifest",  # the fingerprint tells which clips it leaves, and who reads them
    "protocol",  # what a benchmark takes of it stands in the benchmark
)
# Keys of a benchmark, or of a part or source of it, that cannot change its figures.
VOLATILE_OF_BENCHMARK = ("root", "workers", "keep_gb")
# Keys of a mixture's parts that do not count, as the mixture has its own.
OF_MIXTURE = ("repeated_sampling", "max_broken")
# A later key of old groups, whose default is how things were: with it a run keeps its name. A
# reference stands for the value of the configuration's top, which counts by itself.
LIKE_BEFORE = {
    "resize": ("device",),
    "frame_gap_unit": ("frames",),
    "gap_unit": ("frames", "${frame_gap_unit}", "${oc.select:frame_gap_unit,frames}"),
}


def signature(config: dict[str, Any], fingerprints: dict[str, str]) -> str:
    """Ten hexadecimal digits from a resolved configuration and the fingerprints of its files.

    Key order does not matter, and ``1`` and ``1.0`` are the same number.
    """
    content = {"config": essential(config), "fingerprints": fingerprints}
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def essential(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the volatile settings and those that change nothing."""
    return _without(config, "")


def kind(config: dict[str, Any]) -> str:
    """What runs share that differ in their seed alone: all else that can change a result."""
    return signature({**essential(config), "seed": None}, {})


def is_silent_of_part(path: str) -> bool:
    """Whether a dotted key is one of a mixture's part that cannot change a result."""
    key = path.rpartition(".")[2]
    return path.startswith("data.parts.") and (f"data.{key}" in VOLATILE or key in OF_MIXTURE)


def is_like_before(path: str, value: Any) -> bool:
    """Whether a dotted key has the value that stands for how things were before it was there."""
    return any(value == known for known in LIKE_BEFORE.get(path.rpartition(".")[2], ()))


def _without(section: dict[str, Any], prefix: str) -> dict[str, Any]:
    kept = {}
    for key, value in section.items():
        path = f"{prefix}{key}"
        silent = path.startswith("benchmark.") and key in VOLATILE_OF_BENCHMARK
        silent = silent or path in VOLATILE or is_silent_of_part(path)
        if not (silent or is_like_before(path, value)):
            kept[key] = _without(value, f"{path}.") if isinstance(value, dict) else value
    return kept


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
