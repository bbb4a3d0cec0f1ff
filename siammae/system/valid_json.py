"""JSON that every program reads: what is no number there becomes null."""

import json
import math
from typing import Any

import numpy as np


def valid_json(content: Any) -> str:
    """Return content as JSON, with null for NaN and infinite numbers, which JSON has not."""
    return json.dumps(_plain(content), indent=1, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
