"""Measure label propagation against the algorithm of DINO's script, frame by frame.

Both label the same frames from the same context, in turn, in one process: a round is one frame of
each, and its ratio is of two neighbouring moments, as other work on the machine allows. Peak memory
is taken in a process of its own for each, context and window mask counted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from siammae.evaluation.propagation.propagate import make_bands, propagate
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.paths import ROOT

from .dino_baseline import label_frame, window_mask
from .machine import processor

GRIDS = {"480x880, patch 16": (30, 55), "480x880, patch 8": (60, 110)}
QUICK = {"tiny": (6, 10)}
PRODUCTS = {"fp32": "highest", "oneDNN": "medium"}  # what torch calls these precisions
LABELS = 4
TOP_K = 5


@dataclass(frozen=True)
class Setting:
    """What is measured: a grid of patches, width of features, frames in the queue, threads."""

    grid: tuple[int, int]
    width: int
    queue: int
    threads: int

    @property
    def protocol(self) -> Propagation:
        """Preset ``dino``, as far as propagation goes (configs/protocol/dino.yaml)."""
        return Propagation(TOP_K, self.queue, 12, 0.1, "square", window_first=True, ties="keep")


@dataclass
class Times:
    """Seconds a frame of one implementation, and CPU seconds: those of all threads."""

    wall: list[float]
    cpu: list[float]

    def measure(self, call: Callable[[], Tensor]) -> Tensor:
        """Call once, note its time, return its result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.epilog = (
        "30x55 takes minutes on one core; 60x110 has four times the patches and about 16 times the "
        "work. Each grid's table is printed when it is done."
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    parser.add_argument("--rounds", type=int, default=7, help="frames that are timed (default: 7)")
    parser.add_argument("--frames", type=int, default=7, help="frames in the queue (default: 7)")
    parser.add_argument(
        "--grid",
        choices=["x".join(map(str, grid)) for grid in GRIDS.values()],
        help="measure one grid of patches instead of all, as ROWSxCOLUMNS",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="take a tiny grid to see that it works; its ratios mean nothing",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures to this file, too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write the JSON."""
    if min(arguments.threads, arguments.rounds, arguments.frames) < 1:
        print("error: --threads, --rounds and --frames must be at least 1", file=sys.stderr)
        return 2
    torch.set_num_threads(arguments.threads)
    rows = []
    chosen = {
        name: grid
        for name, grid in GRIDS.items()
        if arguments.grid in (None, "x".join(map(str, grid)))
    }
    for name, grid in (QUICK if arguments.quick else chosen).items():
        width = 32 if arguments.quick else 384
        setting = Setting(grid, width, arguments.frames, arguments.threads)
        print(f"measuring {name} ...", file=sys.stderr)
        found = measure(name, setting, arguments.rounds)
        if arguments.quick:
            found = [without_ratios(row) for row in found]
        show(found, arguments.quick)  # at once: the next grid takes many minutes
        rows += found
    machine = {
        "cpu": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": arguments.threads,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": arguments.rounds,
        "frames": arguments.frames,
        "load": round(os.getloadavg()[0], 1),
    }
    machine["smoke_run"] = arguments.quick
    show_machine(machine)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    return 0


def measure(name: str, setting: Setting, rounds: int) -> list[dict[str, Any]]:
    """A row of figures for each product."""
    peaks = {
        product: {who: peak_memory(setting, precision, who) for who in ("ours", "rival")}
        for product, precision in PRODUCTS.items()
    }
    start = time.perf_counter()
    mask = window_mask(setting.grid, int(setting.protocol.radius))
    rival_mask = time.perf_counter() - start
    arguments = (setting.grid, setting.protocol.radius, "square", torch.device("cpu"))
    make_bands.cache_clear()
    start = time.perf_counter()
    make_bands(*arguments, torch.float32)
    our_mask = time.perf_counter() - start
    rows = []
    for product, precision in PRODUCTS.items():
        torch.set_float32_matmul_precision(precision)
        row: dict[str, Any] = {"grid": name, "shape": setting.grid, "product": product}
        row |= compare(setting, mask, rounds)
        row |= {f"{who}_mib": peak for who, peak in peaks[product].items()}
        rows.append(row | {"ours_mask_s": our_mask, "rival_mask_s": rival_mask})
    return rows


def without_ratios(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a grid that is too small to tell anything about speed or memory."""
    return {key: value for key, value in row.items() if not key.endswith(("_ratio", "_mib"))}


def compare(setting: Setting, mask: Tensor, rounds: int) -> dict[str, Any]:
    """Times of both, and how far their labels differ."""
    times = {"ours": Times([], []), "rival": Times([], [])}
    frames = list(islice(video(setting), setting.queue + 2 + rounds))
    context: deque[tuple[Tensor, Tensor]] = deque(maxlen=setting.queue)
    difference, agreed = 0.0, 1.0
    with torch.inference_mode():
        ours = propagate(setting.protocol, frames, setting.grid, first_labels(setting))
        first = (frames[0].T.contiguous(), next(ours).T.contiguous())
        for number, frame in enumerate(frames[1:]):
            sources, labels = map(list, zip(first, *context, strict=True))

            def rival(frame: Tensor = frame, s: list = sources, c: list = labels) -> Tensor:
                return label_frame(frame, s, c, mask, setting.protocol.top_k).T

            calls = {"ours": lambda: next(ours), "rival": rival}
            if number < setting.queue:  # the queue is not full
                result = calls["ours"]()
            else:
                order = list(calls) if number % 2 else list(calls)[::-1]
                results = {who: times[who].measure(calls[who]) for who in order}
                result = results["ours"]
                difference = max(difference, float((result - results["rival"]).abs().max()))
                same = result.argmax(1) == results["rival"].argmax(1)
                agreed = min(agreed, float(same.float().mean()))
            context.append((frame.T.contiguous(), result.T.contiguous()))
    found: dict[str, Any] = {"largest_difference": difference, "argmax_agrees": agreed}
    for kind in ("wall", "cpu"):
        own, other = (getattr(times[who], kind)[1:] for who in ("ours", "rival"))  # [0] warms up
        ratios = [b / a for a, b in zip(own, other, strict=True)]
        found |= {f"ours_{kind}_s": median(own), f"rival_{kind}_s": median(other)}
        found[f"{kind}_ratio"] = [min(ratios), median(ratios), max(ratios)]
    return found


def video(setting: Setting) -> Iterator[Tensor]:
    """Random features (N, D) that resemble their neighbours in space and in time."""
    generator = torch.Generator().manual_seed(0)
    state = torch.zeros(setting.width, *setting.grid)
    while True:
        noise = torch.randn(setting.width, *setting.grid, generator=generator)
        state = 0.8 * state + 0.6 * F.avg_pool2d(noise, 5, stride=1, padding=2)
        yield state.flatten(1).T.contiguous()


def first_labels(setting: Setting) -> Tensor:
    """One-hot labels (N, C) of horizontal stripes."""
    count = setting.grid[0] * setting.grid[1]
    return F.one_hot(torch.arange(count) * LABELS // count, LABELS).float()


def peak_memory(setting: Setting, precision: str, who: str) -> float:
    """MiB that labelling a frame with a full queue takes, measured in a process of its own."""
    task = json.dumps({"setting": asdict(setting), "precision": precision, "who": who})
    command = [sys.executable, "-m", "analysis.benchmarks.propagation", task]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return float(done.stdout)


def _added_memory(setting: Setting, precision: str, who: str) -> float:
    torch.set_num_threads(setting.threads)
    torch.set_float32_matmul_precision(precision)
    label = {"ours": _label_as_we_do, "rival": _label_as_the_rival}[who]
    for part in (replace(setting, grid=(6, 10)), setting):  # what libraries take is nobody's
        frames = list(islice(video(part), part.queue + 2))
        before = _resident("VmRSS")
        label(part, frames)
    return _resident("VmHWM") - before


def _label_as_we_do(setting: Setting, frames: list[Tensor]) -> None:
    with torch.inference_mode():
        deque(propagate(setting.protocol, frames, setting.grid, first_labels(setting)), maxlen=0)


def _label_as_the_rival(setting: Setting, frames: list[Tensor]) -> None:
    labels = first_labels(setting).T
    mask = torch.ones(labels.shape[1], labels.shape[1])  # it weighs as much as a true one
    sources = [frame.T.contiguous() for frame in frames[:-1]]
    with torch.inference_mode():
        label_frame(frames[-1], sources, [labels] * len(sources), mask, TOP_K)


def _resident(kind: str) -> float:
    """MiB of this process: now (``VmRSS``), at most so far (``VmHWM``); only that without /proc."""
    try:  # rusage would start from the peak of the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)[kind].split()[0]) / 2**10
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def figures(row: dict[str, Any]) -> dict[str, str]:
    """The columns of a row, by their headings."""
    shown = {"grid": f"{row['grid']}\n{row['shape'][0]} x {row['shape'][1]}"}
    shown["product"] = row["product"]
    if "wall_ratio" in row:
        shown["ms a frame\nDINO / ours"] = (
            f"{1e3 * row['rival_wall_s']:.0f} / {1e3 * row['ours_wall_s']:.0f}"
        )
        for kind, name in (("wall", "wall"), ("cpu", "CPU")):
            ratios = (f"{ratio:.2f}x" for ratio in row[f"{kind}_ratio"])
            shown[f"faster, {name}\nmin / median / max"] = " / ".join(ratios)
        smaller = row["rival_mib"] / row["ours_mib"] if row["ours_mib"] else float("nan")
        shown["peak MiB\nDINO / ours"] = f"{row['rival_mib']:.0f} / {row['ours_mib']:.0f}"
        shown["less\nmemory"] = f"{smaller:.1f}x"
        shown["window, s\nDINO / ours"] = f"{row['rival_mask_s']:.2f} / {row['ours_mask_s']:.3f}"
    shown["largest\ndifference"] = f"{row['largest_difference']:.1e}"
    shown["same\narg-max"] = f"{100 * row['argmax_agrees']:.2f} %"
    return shown


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 170)


def show(rows: list[dict[str, Any]], smoke: bool) -> None:
    """Print a grid's table; of a smoke run, whose rows have no ratios, what is left of it."""
    title = "Label propagation: DINO's algorithm / ours (preset dino)"
    table = Table(title=f"SMOKE RUN, says nothing about speed. {title}" if smoke else title)
    for heading in figures(rows[0]):
        left = heading in ("grid", "product")
        table.add_column(heading, justify="left" if left else "right")
    for row in rows:
        table.add_row(*figures(row).values())
    _console().print(table)
    sys.stdout.flush()


def show_machine(machine: dict[str, Any]) -> None:
    """Print where it was measured."""
    console = _console()
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)
    console.print(
        "oneDNN: float32_matmul_precision 'medium', where torch calls it on CPUs with AVX-512; on "
        "those with AVX2 alone it does not, and both products are the same.",
        highlight=False,
    )


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    told["setting"]["grid"] = tuple(told["setting"]["grid"])
    print(_added_memory(Setting(**told["setting"]), told["precision"], told["who"]))
