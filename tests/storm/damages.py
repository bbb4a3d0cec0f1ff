"""Ways to damage a file: of its bytes, and of a value in JSON or YAML."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ODD_VALUES: list[Any] = [
    None, True, -1, 0, 3, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\0", "\ud800",
    "../x", "a" * 3000, "${oc.env:HOME}", "${seed}", [], {}, [[]], [None], {"": 1},
    {"a": {"b": []}}, [1, "x"],
]  # fmt: skip
TEXTS = (".json", ".jsonl", ".yaml")


def flip(data: bytearray, rng: random.Random) -> str:
    places = sorted(rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 3, 20))))
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    return f"{len(places)} bits flipped from {places[0]} on"


def cut(data: bytearray, rng: random.Random) -> str:
    kept = rng.choice((0, 1, rng.randrange(len(data)), rng.randrange(len(data))))
    del data[kept:]
    return f"cut to {kept} bytes"


def zero(data: bytearray, rng: random.Random) -> str:
    start, size = _block(data, rng)
    data[start : start + size] = bytes(size)
    return f"{size} zeros at {start}"


def noise(data: bytearray, rng: random.Random) -> str:
    start, size = _block(data, rng)
    data[start : start + size] = rng.randbytes(size)
    return f"{size} bytes of noise at {start}"


def double(data: bytearray, rng: random.Random) -> str:
    start, size = _block(data, rng)
    data[start:start] = data[start : start + size]
    return f"{size} bytes at {start} doubled"


def remove(data: bytearray, rng: random.Random) -> str:
    start, size = _block(data, rng)
    del data[start : start + size]
    return f"{size} bytes at {start} removed"


def swap(data: bytearray, rng: random.Random) -> str:
    size = max(1, min(4096, len(data) // 4))
    one, other = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
    kept = bytes(data[one : one + size])
    data[one : one + size] = data[other : other + size]
    data[other : other + size] = kept
    return f"blocks of {size} at {one} and {other} swapped"


def grow(data: bytearray, rng: random.Random) -> str:
    more = rng.randbytes(rng.randint(1, 2000))
    data += more
    return f"{len(more)} bytes of noise appended"


def _block(data: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data) - start, rng.choice((1, 8, 64, 512, 4096)))


OF_BYTES: list[Callable[[bytearray, random.Random], str]] = [
    flip, flip, flip, cut, cut, zero, noise, double, remove, swap, grow,
]  # fmt: skip


def apply_one(path: Path, rng: random.Random) -> str:
    """Damage a file in one way; return which. A value of a text is changed every other time."""
    if path.suffix in TEXTS and rng.random() < 0.5:
        return change_value(path, rng)
    data = bytearray(path.read_bytes())
    before = bytes(data)
    told = "nothing"
    for _ in range(9):
        if not data or data != before:
            break
        told = rng.choice(OF_BYTES)(data, rng)
    path.write_bytes(data)
    return told


def change_value(path: Path, rng: random.Random) -> str:
    """Put an odd value, or none, in the place of one value somewhere inside."""
    text = path.read_text()
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    number = rng.randrange(len(lines))
    parsed = {"top": yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(lines[number])}
    holder, key = rng.choice(list(_places(parsed)))
    value = rng.choice(ODD_VALUES)
    told = f"{str(key)[:40]} = {str(value)[:20]!a}"
    if rng.random() < 0.15 and isinstance(holder, dict) and holder is not parsed:
        del holder[key]
        told = f"{str(key)[:40]} removed"
    else:
        holder[key] = value
    dump = yaml.safe_dump if path.suffix == ".yaml" else json.dumps
    lines[number] = dump(parsed.get("top"))
    path.write_text("\n".join(lines) + "\n", errors="surrogatepass")
    return told


def _places(value: Any) -> Any:
    """Yield every dictionary or list inside with each of its keys or indices."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
