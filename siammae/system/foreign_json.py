"""JSON from elsewhere: what is damaged, nested without end or of another form is a ValueError."""

import json
from typing import Any


def read_value(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: when it is none, or nested deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_object(text: str | bytes) -> dict[str, Any]:
    """Return the object, with names and values, that a JSON text is.

    Raises:
        ValueError: when it is none.
    """
    value = read_value(text)
    if not isinstance(value, dict):
        raise ValueError("it is no object with names and values")
    return value


def read_objects(values: Any) -> list[dict[str, Any]]:
    """Return values of a JSON text that must be a list of objects.

    Raises:
        ValueError: when they are not.
    """
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("it is no list of objects with names and values")
    return values
