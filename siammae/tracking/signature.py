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
    "progress",
    "log_every",
    "checkpoint_every",
    "pictures",
    "on_failure",
    "tracking",
    "experiment",
    "data.root",
    "data.workers",
    "data.in_memory",
    "data.cache",
    "data.cache_gb",
    "protocol",  # what a benchmark takes of it stands in the benchmark
)
# Keys of a benchmark, or of a part or source of it, that cannot change its figures.
VOLATILE_OF_BENCHMARK = ("root", "workers", "keep_gb")


def signature(config: dict[str, Any], fingerprints: dict[str, str]) -> str:
    """Ten hexadecimal digits from a resolved configuration and the fingerprints of its files.

    Key order does not matter, and ``1`` and ``1.0`` are the same number.
    """
    content = {"config": essential(config), "fingerprints": fingerprints}
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def essential(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the volatile settings."""
    return _without(config, "")


def _without(section: dict[str, Any], prefix: str) -> dict[str, Any]:
    kept = {}
    for key, value in section.items():
        path = f"{prefix}{key}"
        silent = path.startswith("benchmark.") and key in VOLATILE_OF_BENCHMARK
        if path not in VOLATILE and not silent:
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
