"""The name of a run: a hash of everything that can change its result."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from siammae.config.essential import essential


def signature(config: Mapping[str, Any], fingerprints: dict[str, str]) -> str:
    """Return ten hexadecimal digits from a configuration and the fingerprints of its files.

    The configuration is resolved, or a part of one. Only keys that can change a result count, see
    `essential`. Their order does not matter, and ``1`` and ``1.0`` are the same number.
    """
    content = {"config": essential(config), "fingerprints": fingerprints}
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def kind(config: Mapping[str, Any]) -> str:
    """Return a hash that runs share which differ in their seed alone."""
    return signature({**config, "seed": None}, {})


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
