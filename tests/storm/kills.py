"""Trainings, multiruns, packings and evaluations that are killed at random moments."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kills import killed_again_and_again, results, rows, tables
from tiny_runs import Runner
from video_kinds import write

from tests.storm.order import Line, Order

EACH = 10  # kills of one command, which is then let end and compared
MEASURED = ["benchmark=sprites", "benchmark.source.sequences=1", "+benchmark.source.clips=1"]
MEASURED += ["benchmark.source.sequence_frames=4", "+benchmark.source.frames=4"]


@dataclass
class Command:
    """A command that goes on where it was.

    what: its name. words: those of Python, given the folder that it works in. progress: how far
    it is in a folder. result: what it leaves there. kills: in a whole storm.
    """

    what: str
    words: Callable[[Path], list[str]]
    progress: Callable[[Path], int]
    result: Callable[[Path], Any]
    kills: int


def storm(order: Order) -> list[Line]:
    """Kill each command again and again, let it end, and compare with one that nobody killed."""
    data = order.work / "sprites"
    return [attack(order, command) for command in commands(order, Runner(data), data)]


def commands(order: Order, train: Runner, data: Path) -> list[Command]:
    """Return the commands that are killed."""
    steps = max(20, 6 * min(EACH, order.count(40)))
    length = [f"schedule.steps={steps}", "checkpoint_every=2", "schedule.evaluations=2"]
    length += ["schedule.warmup_steps=2", "pictures=1", "log_every=1"]
    measured = [*length, *MEASURED, f"benchmark.source.root={data}"]

    def training(*more: str) -> Callable[[Path], list[str]]:
        return lambda _: ["-m", "siammae.train", *train.settings((*measured, *more))]

    def tables_and_results(folder: Path) -> Any:
        return tables(folder), results(folder)

    clips = order.work / "clips"
    clips.mkdir()
    for number in range(24):
        write(clips / f"{number}.mp4", frames=150)
    multirun = training("-m", "experiments=direction", "seed=0,1", "schedule.steps=20")
    packing = ["-m", "siammae.pack", "data=videos", f"data.root={clips}", "out=pack", "workers=2"]
    checkpoint = order.work / "multirun whole/runs"

    def evaluation(folder: Path) -> list[str]:
        run = next(path for path in sorted(checkpoint.iterdir()) if path.name[0] != ".")
        words = ["-m", "siammae.evaluate", f"checkpoint={run}", "benchmark=sprites", "device=cpu"]
        return [*words, f"benchmark.source.root={data}", "out=told", "results_dir=results"]

    return [
        Command("multirun of four runs", multirun, rows, tables_and_results, 40),
        Command("training", training(), rows, results, 30),
        Command("packing", lambda _: packing, packed_bytes, packed_files, 20),
        Command("evaluation", evaluation, measured_files, measured_figures, 10),
    ]


def attack(order: Order, command: Command) -> Line:
    """Kill a command in rounds of a few kills each; every round starts in an empty folder."""
    line, rng = Line(command.what, order.count(command.kills)), random.Random(order.seed)
    whole = order.work / f"{command.what.split()[0]} whole"
    run(command, whole)
    expected, size = command.result(whole), command.progress(whole)
    for number in range(-(-line.asked // EACH)):
        if order.is_over:
            break
        folder = order.work / f"{command.what.split()[0]} {number}"
        folder.mkdir()
        kills = min(EACH, line.asked - line.tried)
        hits = killed_again_and_again(
            lambda folder=folder: begin(command, folder),
            lambda folder=folder: command.progress(folder),
            size, kills, rng,
        )  # fmt: skip
        run(command, folder)
        same = command.result(folder) == expected
        told = "" if same else f"round {number} of {kills} kills (seed {order.seed}) differs"
        line.note("recovered, bit for bit" if same else "another result", told, tried=kills)
        line.outcomes["of them at work"] += hits
        order.say(f"{command.what}: {line.tried} kills, {line.wrong} wrong")
    return line


def run(command: Command, folder: Path) -> None:
    """Let a command end."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, *command.words(folder)]
    done = subprocess.run(words, cwd=folder, env=Runner.env(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def begin(command: Command, folder: Path) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own."""
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, *command.words(folder)], cwd=folder, env=Runner.env(),
        stdout=nowhere, stderr=nowhere, start_new_session=True,
    )  # fmt: skip


def packed_bytes(folder: Path) -> int:
    """Kilobytes of a pack, finished or under way."""
    found = 0
    for path in folder.glob("pack/**/*"):
        try:
            found += path.stat().st_size >> 10 if path.suffix in (".tar", ".part") else 0
        except FileNotFoundError:
            continue
    return found


def packed_files(folder: Path) -> dict[str, bytes]:
    """Shards and index of a pack."""
    files = [*(folder / "pack").glob("*.tar"), folder / "pack/index.arrow"]
    return {path.name: path.read_bytes() for path in files}


def measured_files(folder: Path) -> int:
    """Results that are kept."""
    return len(list(folder.glob("results/*.json")))


def measured_figures(folder: Path) -> Any:
    """The figures of an evaluation, and of each object."""
    return json.loads((folder / "told/result.json").read_text())
