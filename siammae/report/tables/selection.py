"""Decides which runs make which table: declared experiments, and multiruns without a
declaration."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd
import yaml

from siammae.config.essential import essential, is_incidental
from siammae.config.experiment import Experiment, spelled
from siammae.config.groups import TARGET
from siammae.report.runs.difference import flat
from siammae.system.foreign_text import as_file_name
from siammae.system.paths import CONFIGS
from siammae.tracking.signature import kind, signature

SAME = [
    "preset",
    "data",
    "benchmark",
    "benchmark_files",
]  # runs that differ in these never share a table
TOLD = dict(
    zip(SAME, ("preset", "training clips", "benchmark", "files of the benchmark"), strict=True)
)
AGAIN = "hydra.mode=RUN"  # in the command of a run that is made again, as by siammae.runs retry
DEFAULT = "default"  # of an axis that was left alone
SECOND_HAND = "‡"  # behind a figure of a paper that is known from another text
OTHER_CODE = "†"  # behind the label of a row whose runs were trained with older code


@dataclass
class Selected:
    """The runs of one table, each with its setting.

    runs: rows of the runs' frame with a column ``setting`` (tuple of values, one for each axis).
    fixed: what was set on the command line, alike for all runs.
    recipe: hash of everything else that can change a result, alike for all runs.
    first: when the first of the runs was asked for, which settles the name.
    question: the name without a number.
    unlike: of a numbered one, in what it differs from the one with the plain name.
    """

    name: str
    axes: list[str]
    runs: pd.DataFrame
    declared: Experiment | None = None
    fixed: dict[str, str] = field(default_factory=dict)
    recipe: str = ""
    notes: list[str] = field(default_factory=list)
    first: float = 0.0
    question: str = ""
    unlike: str = ""

    @property
    def finished(self) -> bool:
        """Whether there is anything to make a table of."""
        return bool((self.runs["state"] == "finished").any())


def select(runs: pd.DataFrame, declared: dict[str, Experiment]) -> list[Selected]:
    """Return the tables of runs: one for each experiment, multirun and kind of data."""
    tables: list[Selected] = []
    asked = _asked(runs)
    for name, part in asked.groupby("experiment", sort=True, dropna=True):
        known = declared.get(str(name))
        tables += _split(str(name), part, known.keys if known else _varied(part), known)
    for multirun, part in _by_multirun(asked[asked["experiment"].isna()]):
        axes = _varied(part)
        name = "-".join(axes) or "seeds" if multirun else "single-runs"
        tables += _split(name, part, axes, None)
    return _numbered(_merged(tables))


def _asked(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each time that a run was asked for."""
    exploded = runs.explode("asked", ignore_index=True).dropna(subset=["asked"])
    for key in ("experiment", "id", "overrides"):
        exploded[key] = [call.get(key) for call in exploded["asked"]]
    single = exploded["id"].isna() & exploded["experiment"].isna()
    again = single & exploded["asked"].map(lambda call: AGAIN in call["command"]).astype(bool)
    elsewhere = exploded["signature"].isin(exploded.loc[~single, "signature"])
    return exploded[~(again & elsewhere)]


def _by_multirun(asked: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the invocations of each multirun together, and those of single runs in one part."""
    return [(str(key), part) for key, part in asked.groupby(asked["id"].fillna(""), sort=True)]


def _varied(asked: pd.DataFrame) -> list[str]:
    """Return the keys that a command swept, or in which single runs differ, without the seed."""
    keys = dict.fromkeys(key for overrides in asked["overrides"] for key in overrides)
    axes = {axis for call in asked["asked"] for axis in call.get("axes") or []}
    if not axes:
        values = {key: {overrides.get(key) for overrides in asked["overrides"]} for key in keys}
        axes = {key for key, taken in values.items() if len(taken) > 1}
    return [key for key in keys if key in axes and key != "seed" and not _is_silent(key, asked)]


def _is_silent(key: str, asked: pd.DataFrame) -> bool:
    """Whether a setting cannot change the result of any of the runs."""
    return all(is_incidental(key, composed) for composed in asked["composed"])


def _split(
    name: str, asked: pd.DataFrame, axes: list[str], declared: Experiment | None
) -> list[Selected]:
    """Return the parts that may be compared: same preset, files and fixed settings."""
    asked = asked.copy()
    # Rows and single factors are named by what was set; the rest is the default, whatever that is.
    named = declared is not None and declared.design != "grid"
    asked["setting"] = [
        tuple(_set(call, axis) if named else _value(call, composed, axis) for axis in axes)
        for call, composed in zip(asked["asked"], asked["composed"], strict=True)
    ]
    fixed: list[Any] = [
        {
            key: value
            for key, value in sorted(overrides.items())
            if key not in {"seed", *axes} and not is_incidental(key, composed)
        }
        for overrides, composed in zip(asked["overrides"], asked["composed"], strict=True)
    ]
    asked["fixed"] = fixed
    asked["recipe"] = [
        recipe(composed, axes) + _below(given, [*axes, *implied_by(axes)])
        if composed
        else json.dumps(given)
        for composed, given in zip(asked["composed"], fixed, strict=True)
    ]
    parts = []
    asked = _with_files(asked)
    for key, part in asked.groupby([*SAME, "recipe"], dropna=False, sort=True):
        parts.append(Selected(name, axes, part, declared, part["fixed"].iloc[-1], str(key[-1])))
    return parts


def _below(given: dict[str, str], axes: list[str]) -> str:
    """Return what was set of the groups and keys that `recipe` leaves out."""
    within = {
        key: value
        for key, value in given.items()
        if any(key == axis or key.startswith(f"{axis}.") for axis in axes)
    }
    return json.dumps(within) if within else ""


def _with_files(asked: pd.DataFrame) -> pd.DataFrame:
    """Give runs that ended before their files were read to the newest table with the same
    settings."""
    blind = asked["data"].isna() & (asked["state"] != "finished")
    for index, run in asked[blind].iterrows():
        alike = (asked[["preset", "recipe"]] == run[["preset", "recipe"]]).all(axis=1) & ~blind
        if alike.any():
            files = asked[alike].sort_values("created").iloc[-1][SAME]
            asked.loc[index, SAME] = files.to_numpy()
    return asked


def _set(call: dict[str, Any], axis: str) -> str:
    """Return what the command set an axis to."""
    return spelled(call["overrides"].get(axis, DEFAULT))


def _value(call: dict[str, Any], composed: dict[str, Any], axis: str) -> str:
    """Return what an axis was set to, by the command or else by the configuration."""
    if axis in call["overrides"]:
        return spelled(call["overrides"][axis])
    if call.get("choices", {}).get(axis) is not None:
        return str(call["choices"][axis])
    found: Any = composed
    for part in axis.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return DEFAULT if found is None or isinstance(found, dict) else spelled(found)


def implied_by(axes: Iterable[str]) -> list[str]:
    """Return the keys that follow from axes: a method chooses options of other groups, too."""
    return _of_methods() if "method" in axes else []


@cache
def _of_methods() -> list[str]:
    """Return the groups and keys that options of ``method`` choose, dotted."""
    found: set[str] = set()
    for path in (CONFIGS / "method").glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        for entry in content.pop("defaults", []):
            found |= {key.removeprefix("override /") for key in entry}
        if TARGET not in content:  # an option of the group alone, whose keys are its own
            content.pop("method", None)
            for key, value in content.items():
                inner = value if isinstance(value, dict) else {}
                found |= {f"{key}.{name}" for name in inner} or {key}
    return sorted(found)


def recipe(composed: dict[str, Any], axes: list[str]) -> str:
    """Return a hash of all settings that can change a result but the axes and the seed.

    Of the configuration with its references: what follows from an axis then still reads alike.
    """
    kept = {**essential(composed), "of_protocol": composed.get("protocol")}
    for axis in (*axes, *implied_by(axes), "seed"):
        *path, last = axis.split(".")
        section: Any = kept
        for part in path:
            section = section.get(part, {}) if isinstance(section, dict) else {}
        if isinstance(section, dict):
            section.pop(last, None)
    return signature(kept, {})


def _merged(tables: list[Selected]) -> list[Selected]:
    """Join repeated multiruns over the same axes in one table, with each run once."""
    merged: dict[tuple[Any, ...], Selected] = {}
    for table in tables:
        same = tuple(str(table.runs[key].iloc[0]) for key in SAME)
        key = (table.name, tuple(table.axes), table.recipe, same)
        if key in merged:
            merged[key].runs = pd.concat([merged[key].runs, table.runs])
        else:
            merged[key] = table
    for table in merged.values():
        calls = zip(table.runs["asked"], table.runs["created"], strict=True)
        table.first = min(call.get("time", created) for call, created in calls)
        table.runs = table.runs.drop_duplicates(["signature", "setting"], keep="last")
        _keep_newest(table)
    return list(merged.values())


def _keep_newest(table: Selected) -> None:
    """Keep the newest finished run of each setting and seed, and note the others."""
    done = _of_one_kind(table).sort_values("created")
    old = done[done.duplicated(["setting", "seed"], keep="last")]
    if len(old):
        table.notes.append(
            f"{len(old)} older run(s) of the same setting and seed left out: "
            + ", ".join(sorted(old["signature"]))
        )
        table.runs = table.runs.drop(old.index)


def _of_one_kind(table: Selected) -> pd.DataFrame:
    """Return the finished runs, and drop those that differ from their row in more than the seed.

    Where a default has changed the kind that was asked for last counts; a note tells each row's.
    """
    done = table.runs[table.runs["state"] == "finished"]
    times = done["asked"].map(lambda call: call.get("time", 0.0))
    done = done.assign(time=times).sort_values(["time", "created"])
    kinds = done["config"].map(kind)
    others = done[kinds != kinds.groupby(done["setting"]).transform("last")]
    table.runs, kept = table.runs.drop(others.index), done.drop(others.index)
    for setting, left in others.groupby("setting", sort=True):
        values: tuple[str, ...] = left["setting"].iloc[0]
        alone = sorted(set(left["signature"]) - set(kept["signature"]))  # in no other row
        now = kept.loc[kept["setting"] == setting, "config"].iloc[-1]
        changed = _changes(left["config"].iloc[-1], now, {"seed"})
        if alone:
            row = dict(zip(table.axes, values, strict=True))
            label = ", ".join(f"{k}={v}" for k, v in row.items() if v != DEFAULT) or "the default"
            table.notes.append(
                f"{label}: {len(alone)} older run(s) with other defaults left out "
                f"({', '.join(changed[:5])}): {', '.join(alone)}"
            )
    return kept


def _changes(before: dict[str, Any], now: dict[str, Any], apart: set[str]) -> list[str]:
    """Return the settings that can change a result and differ, without those in ``apart``."""
    old, new = flat(essential(before)), flat(essential(now))
    return [
        f"{key} {old.get(key)} -> {new.get(key)}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and key not in apart
    ]


def _numbered(tables: list[Selected]) -> list[Selected]:
    """Number the tables of one question in the order in which they began.

    Whatever is trained later takes no name from a table that is there.
    """
    for table in tables:
        table.name = table.question = as_file_name(table.name.replace("/", "_"))
    tables = sorted(tables, key=lambda t: (t.name, t.first))
    first: dict[str, Selected] = {}
    seen: dict[str, int] = {}
    for table in tables:
        name = table.name
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            table.name = f"{name}-{seen[name]}"
            table.unlike = _differences(table, first[name])
            table.notes += [f"unlike {name}: {table.unlike}"] if table.unlike else []
        first.setdefault(name, table)
    return tables


def _differences(table: Selected, other: Selected) -> str:
    """Describe in which settings and files the runs of two tables of one question differ."""
    ours, theirs = (each.runs["composed"].iloc[0] for each in (table, other))
    axes = {*table.axes, *other.axes, "seed"}
    differing = [
        change
        for change in (_changes(theirs, ours, set()) if ours and theirs else [])
        if not any(change.split()[0] == axis or change.startswith(f"{axis}.") for axis in axes)
    ]
    for key in dict.fromkeys([*other.fixed, *table.fixed]):  # within a group that is an axis
        old, new = (each.fixed.get(key, DEFAULT) for each in (other, table))
        if old != new and any(key.startswith(f"{axis}.") for axis in axes):
            differing.append(f"{key} {old} -> {new}")
    this, that = (each.runs[SAME].iloc[0].fillna("none") for each in (table, other))
    files = [f"{TOLD[key]} {that[key]} -> {this[key]}" for key in SAME if that[key] != this[key]]
    differing = files + differing
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    return ", ".join(differing[:5]) + more
