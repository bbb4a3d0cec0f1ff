"""Makes tables of encoders from siammae.evaluate's results, one for each benchmark and its
settings."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from siammae.evaluation.declared_metrics import declared_in
from siammae.evaluation.measuring.metric import Metric, directions_of, units_of
from siammae.evaluation.measuring.result import shortfall
from siammae.evaluation.result_cache import CONTROL, read_entry
from siammae.report.markdown import escaped, grid
from siammae.report.tables.metric_names import meaning
from siammae.report.tables.render import (
    Style,
    escape_latex,
    latex_grid,
    latex_page,
    markdown_page,
    sidecar_name,
)
from siammae.system.foreign_text import as_file_name
from siammae.system.paths import CONFIGS
from siammae.system.progress import console
from siammae.system.valid_json import valid_json


def protocol(settings: dict[str, Any]) -> str:
    """Return the preset's name, and the keys that differ from it."""
    known = {path.stem: path for path in (CONFIGS / "protocol").glob("*.yaml")}
    path = known.get(str(settings["preset"]))
    tasks = yaml.safe_load(path.read_text()) if path else {}
    preset = tasks.get(settings.get("task"), {})
    changes = ", ".join(
        f"{key} {settings[key]}" for key in preset if settings.get(key, preset[key]) != preset[key]
    )
    return f"protocol {settings['preset']}" + (f" but with {changes}" if changes else "")


def _clauses(settings: dict[str, Any]) -> list[str]:
    """Return the protocol, how many videos there were, and why figures may not be comparable."""
    parts = [protocol(settings)] if settings.get("preset") else []
    if degrees := settings.get("rotation"):
        parts.append(f"frames and true masks turning by {degrees} degrees a frame")
    for key, official in settings.items():
        unit = key.removeprefix("official_")
        if unit != key and settings.get(unit) is not None:
            same = official in (None, settings[unit])
            official_note = "" if same else f", not the official {official}: not comparable"
            parts.append(f"{settings[unit]} {unit}{official_note}")
    return parts + ([str(settings["note"])] if settings.get("note") else [])


@dataclass
class Evaluated:
    """Results that share a benchmark, its settings and its files, newest last; controls are
    apart."""

    name: str
    entries: list[dict[str, Any]]
    control: dict[str, Any] | None

    @property
    def metrics(self) -> list[Metric]:
        """Return the metrics in the benchmark's order, as the newest entry declares them."""
        results = [entry["result"] for entry in self.entries]
        declared = {name: m for result in results for name, m in declared_in(result).items()}
        names = dict.fromkeys(name for result in results for name in result["metrics"])
        return [meaning(name, declared) for name in names]

    @property
    def caption(self) -> str:
        """Return benchmark, protocol, how many videos, and why figures may not be comparable."""
        setting, result = self.entries[0]["benchmark"], self.entries[0]["result"]
        parts = [f"benchmark {setting['name']} ({setting['fingerprint']})"]
        settings = result["settings"]
        if all(isinstance(part, dict) for part in settings.values()):  # a suite's, by part
            parts += [f"{name}: {', '.join(_clauses(part))}" for name, part in settings.items()]
        else:
            parts += _clauses(settings)
        parts += [f"figures {units_of(self.metrics)}", *directions_of(self.metrics)]
        return "; ".join([*parts, "in bold the best encoder of each column"])

    @property
    def notes(self) -> list[str]:
        """Name what may make rows differ beside the encoders."""
        everything = [*self.entries, *([self.control] if self.control else [])]
        found = [
            f"{entry['label']} {lacking}"
            for entry in self.entries
            if (lacking := shortfall(entry["result"]))
        ]
        for what in ("code_version", "precision", "device"):
            values = sorted({str(entry[what]) for entry in everything if entry.get(what)})
            if len(values) > 1:
                name = what.replace("_", " ")
                found.append(f"rows come from {len(values)} values of {name}: {', '.join(values)}")
        return found


def load_evaluations(folder: Path) -> list[Evaluated]:
    """Read the tables of a folder of results; the newest of a name keeps the unnumbered one."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        entry = read_entry(path)
        if entry is not None:
            groups.setdefault(json.dumps(entry["benchmark"], sort_keys=True), []).append(entry)
    tables = []
    for group in groups.values():
        group.sort(key=lambda entry: entry["created"])
        encoders = [entry for entry in group if "control" not in entry["what"]]
        controls = [entry for entry in group if "control" in entry["what"]]
        if encoders:
            name = as_file_name(f"evaluation-{group[0]['benchmark']['name']}")
            tables.append(Evaluated(name, encoders, controls[-1] if controls else None))
    tables.sort(key=lambda table: (table.name, -table.entries[-1]["created"]))
    seen: dict[str, int] = {}
    for table in tables:
        seen[table.name] = seen.get(table.name, 0) + 1
        table.name += f"-{seen[table.name]}" if seen[table.name] > 1 else ""
    return tables


def labelled(table: Evaluated) -> list[tuple[str, dict[str, Any]]]:
    """Return a label for each entry; entries that share one get their key behind it."""
    labels = [entry["label"] for entry in table.entries]
    return [
        (label if labels.count(label) == 1 else f"{label} {entry['key']}", entry)
        for label, entry in zip(labels, table.entries, strict=True)
    ]


def cells(table: Evaluated, bold: Style, escape: Style = str) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of text, the control last."""
    metrics = table.metrics
    best = {metric.name: _best(table, metric) for metric in metrics}
    lines = []
    for label, entry in labelled(table):
        figures = entry["result"]["metrics"]
        line = [escape(label)]
        for metric in metrics:
            value = figures.get(metric.name)
            text = _figure(metric, value)
            line.append(bold(text) if text and text == best[metric.name] else text)
        lines.append(line)
    if table.control is not None:
        figures = table.control["result"]["metrics"]
        lines.append(
            [
                escape(str(table.control["result"].get("control", CONTROL))),
                *(_figure(metric, figures.get(metric.name)) for metric in metrics),
            ]
        )
    heads = [metric.name + metric.unit_behind("") for metric in metrics]
    return [escape(head) for head in ["encoder", *heads]], lines


def _best(table: Evaluated, metric: Metric) -> str | None:
    """Return the best figure of two or more encoders as printed; None where no figure is better
    than another."""
    if metric.better == "neither":
        return None
    values = [entry["result"]["metrics"].get(metric.name) for entry in table.entries]
    known = [value for value in values if value is not None and not math.isnan(value)]
    if len(known) < 2:
        return None
    return metric.text(min(known) if metric.better == "less" else max(known))


def _figure(metric: Metric, value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return metric.text(value)


def texts(table: Evaluated) -> dict[str, str]:
    """Return the table as text by the ending of its file."""
    heads, lines = cells(table, lambda text: f"**{text}**", escaped)
    tex_heads, tex_lines = cells(table, lambda text: f"\\textbf{{{text}}}", escape_latex)
    middle = len(lines) - 1 if table.control is not None else None
    rows = [
        {"encoder": label, "control": False, **entry["result"]["metrics"], "key": entry["key"]}
        for label, entry in labelled(table)
    ]
    if table.control is not None:
        figures = table.control["result"]["metrics"]
        rows.append(
            {
                "encoder": table.control["result"].get("control", CONTROL),
                "control": True,
                **figures,
                "key": table.control["key"],
            }
        )
    facts = ("key", "what", "command", "code_version", "created", "device", "precision")
    behind = {
        label: {fact: entry.get(fact) for fact in facts}
        for label, entry in [*labelled(table), (CONTROL, table.control or {})]
        if entry
    }
    content = {"table": table.name, "caption": table.caption, "notes": table.notes, "rows": behind}
    content["benchmark"] = table.entries[0]["benchmark"]
    content["settings"] = table.entries[0]["result"]["settings"]
    return {
        "md": markdown_page(table.name, "", grid(heads, lines), table.caption, table.notes),
        "tex": latex_page(
            table.name, latex_grid(tex_heads, tex_lines, middle), table.caption, table.notes
        ),
        "csv": pd.DataFrame(rows).assign(behind=sidecar_name(table.name)).to_csv(index=False),
        "json": valid_json(content),
    }


def show_evaluated(table: Evaluated) -> None:
    """Print the table on the terminal."""
    from rich.markup import escape

    from siammae.report.tables.terminal import print_grid

    heads, lines = cells(table, lambda text: f"[bold]{text}[/bold]", escape)
    dim = [place == len(table.entries) for place in range(len(lines))]
    print_grid(table.name, table.caption, heads, lines, dim, range(2, len(heads)))
    for note in table.notes:
        console().print(f"[dim]{escape(note)}[/dim]")
