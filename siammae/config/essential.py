"""Which keys of a configuration can change a result, as the classes that use them say.

`TrainConfig`, a data set (`ClipSource`) and a benchmark (`Benchmark`) name such keys:

incidental: keys that cannot change a result, such as where files lie or how many processes read.
overrules: of several parts, keys that count for the whole and not for a part.
as_before: keys that came later, with the value that stands for how things were before.

All keys of a model's classes count, but for a method's later ones, which `MethodKeys` names. The
classes need no asking, and a finished run imports no torch.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from siammae.config.groups import TARGET, class_of, public_target
from siammae.config.schema import TrainConfig
from siammae.system.errors import ConfigError

ASKED = ("siammae.data.", "siammae.evaluation.")
# Classes of other packages, and methods, are not imported for this: they count as the base of their
# group.
BASES = {
    "data": "siammae.data.ClipSource",
    "benchmark": "siammae.evaluation.Benchmark",
    "method": "siammae.config.schema.MethodKeys",
}
CHOICES = ("experiments", "sweeps", "preset")  # of files that set other keys


def essential(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the keys that cannot change a result.

    Args:
        config: plain, with references or without, or some groups of one.
    """
    kept = {}
    for key, value in config.items():
        if key in TrainConfig.incidental or key in TrainConfig.copied:
            continue
        inner = _essential(value, key) if isinstance(value, Mapping) else value
        if not _is_as_before(TrainConfig, key, inner):  # a method without its later keys may be
            kept[key] = inner
    return kept


def without_later(config: Mapping[str, Any], kind: Any = TrainConfig) -> dict[str, Any]:
    """Return a configuration without keys of later versions that still have the former
    behaviour."""
    kept = {
        key: without_later(value, _kind(value, key)) if isinstance(value, Mapping) else value
        for key, value in config.items()
    }
    return {key: value for key, value in kept.items() if not _is_as_before(kind, key, value)}


def is_incidental(path: str, config: Mapping[str, Any]) -> bool:
    """Whether a key, dotted as on the command line, cannot change this configuration's result."""
    first, *rest = path.split(".")
    if first in TrainConfig.incidental or first in CHOICES:
        return True
    section, group, overruled = config.get(first), first, ()
    while rest:
        section = section if isinstance(section, Mapping) else {}  # old records lack some groups
        kind, key = _kind(section, group), rest.pop(0)
        if not rest:
            return key in (*getattr(kind, "incidental", ()), *overruled)
        section, overruled = section.get(key), ()
        if key == "parts":
            parts = section if isinstance(section, Mapping) else {}
            section, overruled = parts.get(rest.pop(0)), getattr(kind, "overrules", ())
        else:
            group = "data" if key == "source" else ""
    return False


def _essential(section: Mapping[str, Any], group: str, overruled: tuple[str, ...] = ()) -> Any:
    kind = _kind(section, group)
    dropped = (*getattr(kind, "incidental", ()), *overruled)
    kept = {}
    for key, value in section.items():
        if key in dropped or _is_as_before(kind, key, value):
            continue
        if key == "parts" and isinstance(value, Mapping):
            of_parts = getattr(kind, "overrules", ())
            kept[key] = {
                name: _essential(part, group, of_parts) if isinstance(part, Mapping) else part
                for name, part in value.items()
            }
        else:
            inner = "data" if key == "source" else ""
            kept[key] = _essential(value, inner) if isinstance(value, Mapping) else value
    return kept


def _is_as_before(kind: Any, key: str, value: Any) -> bool:
    """Whether a later key has its former meaning, or refers to a key that counts by itself."""
    known = getattr(kind, "as_before", {})
    return key in known and (value == known[key] or str(value).startswith("${"))


def _kind(section: Mapping[str, Any], group: str) -> type | None:
    """Return the class that is asked about a section's keys; None when all of them count."""
    return _imported(str(section.get(TARGET)), group)


@cache
def _imported(target: str, group: str) -> type | None:
    path = public_target(target)
    base = BASES.get(group)
    if not str(path).startswith(ASKED):
        path = base
    if path is None:
        return None
    try:
        return class_of(path, group)
    except ConfigError:  # a class that an older version had
        return None if base is None else class_of(base, group)
