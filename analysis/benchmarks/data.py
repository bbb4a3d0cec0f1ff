"""Measure frame pairs per second and core: videos and packs against the usual way of reading.

All ways read pairs of the same clips in turn, in one process with one thread. A round is one turn
of each, so that a ratio compares neighbouring moments and other work on the machine disturbs it
little. Seconds are those of the processor. The usual way is written in data_baseline.py.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from siammae.system.errors import SiammaeError

from .data_clips import FRAMES, HEIGHT, RATE, WIDTH, make_clips
from .data_memory import measure_memory, show_memory
from .data_ways import BARE, BATCHES, DEVICE, HOST, UNPACKED, USUAL, Way, pack_clips, ways
from .machine import processor

# For the clips that are made here: times the usual path, share of bare JPEG.
GOALS = {UNPACKED: (1.5, None), DEVICE: (55.0, 0.9), HOST: (40.0, None)}
MADE = f"{WIDTH}x{HEIGHT}, {FRAMES // RATE} s, H.264, key frames 250 apart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.epilog = "With 8 clips and 5 rounds it takes about three minutes on an idle core."
    parser.add_argument(
        "--clips",
        type=Path,
        metavar="DIR",
        help="real footage: the clips that are made show it, and it is measured at its own size, "
        "too (default: drawn scenes)",
    )
    parser.add_argument(
        "--number", type=int, default=8, help="number of clips that are made (default: 8)"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="rounds that are timed, after one that is not (default: 5)",
    )
    parser.add_argument(
        "--passes",
        type=int,
        default=12,
        help="passes over the packed clips in a round (default: 12)",
    )
    parser.add_argument("--memory", action="store_true", help="measure memory over time instead")
    parser.add_argument(
        "--pairs",
        type=int,
        default=20_000,
        help="pairs that are read with --memory (default: 20000)",
    )
    parser.add_argument("--workers", type=int, default=2, help="readers with --memory (default: 2)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the figures to a .json or .md file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write."""
    if problem := _problem(arguments):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    try:
        if arguments.memory:
            tables = measure_memory(arguments.pairs, arguments.workers)
        else:
            tables = list(measure(arguments))
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    machine = describe_machine(arguments)
    show = show_memory if arguments.memory else show_speed
    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in tables:
        console.print(show(table))
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)
    if arguments.out:
        write(arguments.out, machine, tables, show)
    return 0


def _problem(arguments: argparse.Namespace) -> str:
    for name in ("number", "rounds", "passes", "pairs", "workers"):
        if getattr(arguments, name) < 1:
            return f"--{name} must be at least 1"
    if arguments.out and arguments.out.suffix not in (".json", ".md"):
        return f"--out {arguments.out}: a name that ends with .json or .md is needed"
    if arguments.clips and not arguments.clips.is_dir():
        return f"--clips {arguments.clips}: no such folder"
    return ""


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Figures of the clips that are made, then of those that are given."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _say(f"making {arguments.number} clips ...")
        made = make_clips(folder / "clips", arguments.number, arguments.clips)
        size = sum(path.stat().st_size for path in made) / len(made) / 1e6
        what = "real footage" if arguments.clips else "drawn scenes"
        title = f"{MADE}: {what}, {size:.2f} MB a clip"
        yield _measured(folder / "clips", folder / "pack", title, arguments) | {"goals": True}
        if arguments.clips:
            title = f"{arguments.clips.name}: as given, packs at a short side of 256"
            yield _measured(arguments.clips, folder / "given", title, arguments) | {"goals": False}


def _measured(clips: Path, pack: Path, title: str, arguments: argparse.Namespace) -> dict[str, Any]:
    _say(f"packing {clips} ...")
    pack_clips(clips, pack)
    _say(f"measuring {title} ...")
    return {"title": title, "rows": compare(ways(clips, pack, arguments.passes), arguments.rounds)}


def compare(contenders: list[Way], rounds: int) -> list[dict[str, Any]]:
    """A row for each way: pairs a second and ratios, (min, median, max) over the rounds."""
    for way in contenders:
        way.run(1)  # warms up
    speeds: dict[str, list[float]] = {way.name: [] for way in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for way in contenders[turn:] + contenders[:turn]:
            start = time.process_time()
            pairs = way.run(way.passes)
            speeds[way.name].append(pairs / (time.process_time() - start))
    rows = []
    for way in contenders:
        row: dict[str, Any] = {"way": way.name, "pairs_per_second": _spread(speeds[way.name])}
        for key, other in (("times_usual", USUAL), ("share_of_bare", BARE)):
            both = zip(speeds[way.name], speeds[other], strict=True)
            row[key] = _spread([own / theirs for own, theirs in both])
        rows.append(row)
    return rows


def _spread(values: list[float]) -> list[float]:
    return [min(values), median(values), max(values)]


def show_speed(table: dict[str, Any]) -> Table:
    """Figures for the eye, with the goals."""
    shown = Table(title=table["title"])
    shown.add_column("way to a pair")
    for heading in ("pairs/s and core", "times the usual", "goal", "share of bare JPEG", "goal"):
        shown.add_column(heading, justify="right")
    for row in table["rows"]:
        times, share = GOALS.get(row["way"], (None, None)) if table["goals"] else (None, None)
        packed = row["way"] in (DEVICE, HOST, BATCHES, BARE)
        shown.add_row(
            row["way"],
            _told(row["pairs_per_second"], "{:.0f}"),
            _told(row["times_usual"], "{:.2f}"),
            _goal(row["times_usual"], times, "{:.1f}"),
            _told(row["share_of_bare"], "{:.0%}") if packed else "",
            _goal(row["share_of_bare"], share, "{:.0%}"),
        )
    return shown


def _told(spread: list[float], pattern: str) -> str:
    low, middle, high = (pattern.format(value) for value in spread)
    return f"{middle} ({low} to {high})"


def _goal(spread: list[float], goal: float | None, pattern: str) -> str:
    if goal is None:
        return ""
    return f"{pattern.format(goal)} {'reached' if spread[1] >= goal else 'missed'}"


def describe_machine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Where, when and how it was measured."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "command": shlex.join(["python", "analysis/benchmark.py", *sys.argv[1:]]),
    }


def write(out: Path, machine: dict[str, Any], tables: list[dict[str, Any]], show: Any) -> None:
    """As JSON, or as tables of Markdown."""
    if out.suffix == ".json":
        out.write_text(json.dumps({"machine": machine, "tables": tables}, indent=2) + "\n")
        return
    parts = [_markdown(show(table)) for table in tables]
    parts.append("".join(f"* {key}: {value}\n" for key, value in machine.items()))
    out.write_text("\n".join(parts))


def _markdown(table: Table) -> str:
    lines = [[str(column.header) for column in table.columns]]
    lines.append([":--" if place == 0 else "--:" for place in range(len(table.columns))])
    lines += map(list, zip(*(column.cells for column in table.columns), strict=True))
    rows = "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
    return f"{table.title}\n\n{rows}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
