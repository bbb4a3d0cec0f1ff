"""The facts of a run under flat names, by which W&B's own tables and plots sort and group."""

from pathlib import Path
from typing import Any

from siammae.tracking.record import RunRecord


def columns(record: RunRecord) -> dict[str, Any]:
    """Return the settings of a run, and where it belongs, as keys of one level.

    ``ablation`` is the experiment, or the axes of a multirun without one. ``variant`` is the
    setting of these axes, the same for all seeds. ``factor_<axis>`` is its value on one axis. The
    option of each group stands under the group's name.
    """
    asked = record.invocations()
    call = asked[-1] if asked else {}
    choices, overrides = call.get("choices") or {}, call.get("overrides") or {}
    axes = [axis for axis in call.get("axes") or [] if axis != "seed"]
    flat = flatten(record.config())
    # An experiment that varies one factor at a time leaves its other axes to the configuration.
    values = {
        axis: overrides.get(axis) or choices.get(axis) or flat.get(_flat(axis)) for axis in axes
    }
    provenance = record.provenance()
    git = provenance.get("git") or {}
    return {
        **flat,
        **{_flat(group): option for group, option in choices.items()},
        **{f"factor_{_flat(axis)}": _number(value) for axis, value in values.items()},
        "ablation": ablation(call),
        "variant": ", ".join(f"{axis}={value}" for axis, value in values.items()) or "default",
        "run_key": record.signature,
        "run_folder": str(record.folder),
        "hydra_job": call.get("job"),
        "hydra_overrides": "|".join(f"{key}={value}" for key, value in sorted(overrides.items())),
        "git_commit": git.get("commit"),
        "git_dirty": git.get("dirty"),
        "code_version": provenance.get("code_version"),
        "device_name": provenance.get("device"),
    }


def ablation(call: dict[str, Any]) -> str:
    """Return the name of the table that an invocation asked for."""
    axes = [axis for axis in call.get("axes") or [] if axis != "seed"]
    return str(call.get("experiment") or "-".join(axes) or "single-runs")


def figures(record: RunRecord) -> dict[str, Any]:
    """Return final figures under our own names: W&B's summaries go wrong when a run is resumed."""
    summary = record.summary()
    found = {f"final/{name}": value for name, value in (summary.get("metrics") or {}).items()}
    if "objective" in summary:
        found["final/objective"] = summary["objective"]["value"]
    if summary.get("best"):
        found["best/objective"] = summary["best"]["value"]
        found["best/checkpoint"] = summary["best"]["file"]
    for key in ("seconds", "pairs_per_second"):
        if key in summary:
            found[f"final/{key}"] = summary[key]
    return {**found, **_newest_checkpoint(record.checkpoints)}


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with keys such as ``decoder_width``.

    W&B can neither filter by keys with dots nor group by nested ones. Lists become text, so that a
    range of frame gaps is a value that runs can be grouped by.
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(flatten(value, f"{name}_"))
        else:
            flat[name] = str(value) if isinstance(value, list) else value
    return flat


def _newest_checkpoint(folder: Path) -> dict[str, str]:
    """Return its path and SHA-256: the file is not sent, but can be found and checked."""
    found = sorted(folder.glob("step-*.pt.sha256"))
    if not found:
        return {}
    path = found[-1].with_suffix("")
    return {"checkpoint/file": str(path), "checkpoint/sha256": found[-1].read_text().split()[0]}


def _flat(name: str) -> str:
    return name.replace(".", "_").replace("/", "_")


def _number(value: Any) -> float | str | None:
    """Return a number where the text is one, so that plots have an axis of numbers."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
