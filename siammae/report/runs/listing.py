"""The runs of a folder as rows of a table: state, progress, figure, age."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siammae.config.experiment import spelled
from siammae.system.errors import ConfigError
from siammae.tracking.record import STATES, RunRecord, read_runs

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Filter:
    """Which runs are listed.

    states: of the runs; empty: all.
    experiment: name of the one that asked for them; None: any.
    settings: values of groups, or of dotted keys of the configuration.
    """

    states: tuple[str, ...] = ()
    experiment: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for state in self.states:
            if state not in STATES:
                raise ConfigError(f"--state {state}: no such state; there are: {', '.join(STATES)}")


@dataclass(frozen=True)
class Listed:
    """A run in the list.

    value: its objective, or None while it has none.
    seen: seconds since 1970 at its last sign of life.
    error: last line of the error that ended it.
    """

    record: RunRecord
    state: str
    step: int
    steps: int
    metric: str
    value: float | None
    seen: float
    experiments: tuple[str, ...]
    setting: str
    seed: int
    error: str


def listed(runs_dir: Path, wanted: Filter) -> list[Listed]:
    """Return the runs of a folder that pass the filter, that with the latest sign of life last.

    Raises:
        ConfigError: when a filter names a key that no run has, or an experiment of no run.
    """
    records, skipped = read_runs(runs_dir)
    for name, reason in skipped.items():
        print(f"note: {name} is left out: {reason}", file=sys.stderr)
    for key in wanted.settings:
        if records and all(
            _select(record.config(), key) is None and key not in options(record)
            for record in records
        ):
            raise ConfigError(f"--where {key}: no run has such a key")
    rows = [_row(record) for record in records if _settings_fit(record, wanted.settings)]
    rows = [row for row in rows if not wanted.states or row.state in wanted.states]
    if wanted.experiment is not None:
        known = sorted({name for row in rows for name in row.experiments})
        rows = [row for row in rows if wanted.experiment in row.experiments]
        if not rows:
            others = f"those that did: {', '.join(known)}" if known else "none asked for any"
            raise ConfigError(f"--experiment {wanted.experiment} asked for no such run; {others}")
    return sorted(rows, key=lambda row: row.seen)


def _row(record: RunRecord) -> Listed:
    state, objective = record.state(), record.summary().get("objective") or {}
    asked = record.invocations()
    overrides = {k: v for call in asked[-1:] for k, v in call["overrides"].items()}
    silent = ("seed", "runs_dir", "experiments", "sweeps")
    setting = [f"{k}={v}" for k, v in overrides.items() if k not in silent]
    done = record.is_finished() or state["state"] != "finished"
    metric, value = str(objective.get("metric") or ""), objective.get("value")
    if metric.startswith("-") and value is not None:  # turned, so that studies can maximise it
        metric, value = metric[1:], -value
    where = f"{objective.get('benchmark') or ''} {metric}"
    error = str(state.get("error") or "").strip().splitlines()
    return Listed(
        record,
        state["state"] if done else "interrupted",
        int(state.get("step") or 0),
        int(state.get("steps") or 0),
        where.strip(),
        value,
        float(state.get("heartbeat") or record.provenance().get("created") or 0.0),
        tuple(dict.fromkeys(call["experiment"] for call in asked if call.get("experiment"))),
        " ".join(setting) or "default settings",
        int(record.config().get("seed", 0)),
        error[-1] if error else "",
    )


def _settings_fit(record: RunRecord, settings: dict[str, str]) -> bool:
    config, chosen = record.config(), options(record)
    return all(
        spelled(chosen.get(key) or _select(config, key)) == spelled(value)
        for key, value in settings.items()
    )


def options(record: RunRecord) -> dict[str, str]:
    """Return the option of each group, as the run was last asked for."""
    asked = record.invocations()
    return {k: str(v) for k, v in (asked[-1].get("choices") or {}).items() if v} if asked else {}


def _select(config: dict[str, Any], key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def find(runs_dir: Path, name: str) -> RunRecord:
    """Return the run whose signature is, or begins with, ``name``.

    Raises:
        ConfigError: when there is none, or more than one.
    """
    records, _ = read_runs(runs_dir)
    fitting = [record for record in records if record.signature.startswith(name)]
    if not fitting:
        raise ConfigError(f"{name}: no run in {runs_dir} has a signature that begins so")
    exact = [record for record in fitting if record.signature == name]
    if len(fitting) > 1 and not exact:
        names = ", ".join(record.signature for record in fitting[:5])
        raise ConfigError(f"{name}: {len(fitting)} runs begin so: {names}; write more of it")
    return (exact or fitting)[0]


def common(settings: list[str]) -> list[str]:
    """Return the parts that all of several settings have, in order, to be shown once."""
    if len(settings) < 2:
        return []
    parts = [setting.split(" ") for setting in settings]
    return [part for part in parts[0] if all(part in other for other in parts) and "=" in part]


COLORS = {"finished": "green", "running": "cyan", "failed": "red", "interrupted": "yellow"}


def table(rows: Iterable[Listed], now: float | None = None) -> "Table":
    """Return the table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    now, rows = time.time() if now is None else now, list(rows)
    same = common([row.setting for row in rows])
    shown = Table(caption=escape(f"all with {' '.join(same)}") if same else None)
    for head in ("run", "state", "progress", "figure", "age", "seed", "setting"):
        right = head in ("progress", "figure", "age", "seed")
        shown.add_column(head, justify="right" if right else "left", no_wrap=head != "setting")
    for row in rows:
        color = COLORS.get(row.state, "dim")
        share = f"{100 * row.step / row.steps:.0f}%" if row.steps else ""
        figure = "" if row.value is None else f"{row.value:.4f} {row.metric}"
        own = " ".join(part for part in row.setting.split(" ") if part not in same)
        setting = escape(own or "default settings") + (
            f"\n[red]{escape(row.error)}[/red]" if row.error else ""
        )
        shown.add_row(
            escape(row.record.signature),
            f"[{color}]{row.state}[/{color}]",
            share,
            escape(figure),
            age(now - row.seen),
            str(row.seed),
            setting,
        )
    return shown


def age(seconds: float) -> str:
    """Return a time as a text such as ``40 s``, ``12 min``, ``3 h`` or ``2 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
