"""In what two runs differ: settings, origin, final figures."""

from typing import Any

from siammae.config.essential import without_later
from siammae.tracking.record import RunRecord

ORIGIN = ("preset", "data_fingerprint", "benchmark_fingerprint", "code_version", "device")


def settings(one: RunRecord, other: RunRecord) -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys whose values differ, with both; None where a run has no such key."""
    return _unlike(*(flat(without_later(run.config())) for run in (one, other)))


def origin(one: RunRecord, other: RunRecord) -> dict[str, tuple[Any, Any]]:
    """Return preset, data, code and device where they differ, with both."""
    return _unlike(_origin(one), _origin(other))


def figures(one: RunRecord, other: RunRecord) -> dict[str, tuple[float | None, float | None]]:
    """Return the final figures of both, in the first run's order."""
    ours, theirs = (run.summary().get("metrics") or {} for run in (one, other))
    return {key: (ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])}


def flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in section.items():
        name = f"{prefix}{key}"
        found.update(flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return found


def _origin(run: RunRecord) -> dict[str, Any]:
    facts = run.provenance()
    return {key: facts.get(key) for key in ORIGIN} | flat(facts.get("git") or {}, "git.")


def _unlike(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = dict.fromkeys([*ours, *theirs])
    pairs = {key: (ours.get(key), theirs.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
