"""Measure the trainer's step against the published loop's: pairs/s, FLOPs, MFU, kernels, memory.

A round is a step of each, and its ratio is of neighbouring moments, as other work on the machine
allows. Times are wall times with the device's queue emptied. The trainer's step prepares bytes on
the device; the baseline gets normalised floats, as its readers make them. Reading is not timed.
On a CPU that computes in bf16 the baseline is measured under bf16, too, which is not as published.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from siammae.assembly.device import choose_device, choose_precision, fast_matmul, keep_memory
from siammae.config.groups import TARGET, class_of
from siammae.config.schema import TrainConfig
from siammae.system.errors import ConfigError, SiammaeError
from siammae.tracking.provenance import code_version
from siammae.training.compiled import uncompiled

from .extensions import configured, contender
from .machine import processor
from .profile_step import Profiled, profile_step
from .roofline import Counted, Counting, Roofline, measure_roofline
from .rounds import Taken, interleaved
from .step_baseline import PublishedLoop, PublishedModel

OURS, PUBLISHED = "siammae", "published loop"
DISTINCT = 2  # batches of the baseline, taken in turn
EXAMINED = 5  # steps that `examined` takes at most


@dataclass
class Runner:
    """A step that is timed.

    precision: which of the measured products bounds it. counted: its operations without a compiler.
    gflops: of a pair, preparation of the frames not counted.
    """

    step: Callable[[], object]
    precision: str
    counted: Counted
    profiled: Profiled
    gflops: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--base",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="the setting, as for siammae.train (default: its defaults, preset=demo)",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="KEY=VALUE",
        help="compare with the trainer under these overrides, too, such as compile=off",
    )
    parser.add_argument("--rounds", type=int, default=9, help="steps of each (default: 9)")
    parser.add_argument(
        "--threads", type=int, help="threads of torch on a CPU (default: as torch chooses)"
    )
    parser.add_argument(
        "--device", default="auto", help="device, as for siammae.train (default: auto)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures to this file, too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, write the JSON."""
    if min(arguments.rounds, arguments.threads or 1) < 1:
        print("error: --rounds and --threads must be at least 1", file=sys.stderr)
        return 2
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        device = choose_device(arguments.device)
        figures = measure(arguments.base, arguments.against, device, arguments.rounds)
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(
    base: list[str], against: list[str] | None, device: torch.device, rounds: int
) -> dict[str, Any]:
    """Return the machine, its roofline, and a row of figures for each step."""
    fast_matmul(device)
    if device.type == "cpu":
        keep_memory()
    load = round(os.getloadavg()[0], 1)
    print("measuring products and copies ...", file=sys.stderr)
    roofline = measure_roofline(device)
    with tempfile.TemporaryDirectory() as folder:
        fixed = [*base, "benchmark=none", "tracking=none", "pictures=0", f"data.root={folder}"]
        settings = configured(fixed)
        batch = settings.batch_size
        runners = {OURS: trainer(settings, device, rounds)}
        if against is not None:
            other = configured([*fixed, *against])
            if other.batch_size != batch:
                raise ConfigError("--against: a step of another batch_size is not comparable")
            runners[" ".join(against)] = trainer(other, device, rounds)
        runners |= baselines(settings, device)
        print("measuring steps ...", file=sys.stderr)
        taken = interleaved({name: runner.step for name, runner in runners.items()}, device, rounds)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "machine": {
            "device": name,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "date": time.strftime("%Y-%m-%d"),
            "code": code_version(),
            "rounds": rounds,
            "base": " ".join(base) or "preset=demo",
            "batch": batch,
            "load": load,
        },
        "roofline": roofline.as_dict(),
        "rows": [row(name, runner, taken, batch, roofline) for name, runner in runners.items()],
    }


def trainer(settings: TrainConfig, device: torch.device, rounds: int) -> Runner:
    """The trainer's step."""
    print("preparing the trainer's step ...", file=sys.stderr)
    made = contender(settings, device, rounds + EXAMINED)
    precision = choose_precision(settings.precision, device)
    return examined(made.step, precision, device, made.gflops)


def baselines(settings: TrainConfig, device: torch.device) -> dict[str, Runner]:
    """The published loop's step on frames of the setting's size, in its precision."""
    print("preparing the published loop's step ...", file=sys.stderr)
    kind: Any = class_of(settings.method.as_dict()[TARGET], "method")
    decoder, ratio = settings.decoder, settings.mask_ratio
    if not kind.restores_pairs or decoder is None or ratio is None:
        raise ConfigError(
            "the published loop restores a frame from another; take a method that does, such as "
            "method=siammae"
        )
    halves = {PUBLISHED: device.type == "cuda"}
    if device.type == "cpu" and choose_precision(settings.precision, device) == "bf16":
        halves[f"{PUBLISHED}, in bf16"] = True
    found = {}
    for name, half in halves.items():
        torch.manual_seed(settings.seed)
        model = PublishedModel(settings.image_size, settings.encoder, decoder, ratio)
        loop = PublishedLoop(model.to(device).train(), device, half)
        batches = cycle([_frames(settings, device) for _ in range(DISTINCT)])
        step = lambda loop=loop, batches=batches: loop.step(*next(batches))  # noqa: E731
        found[name] = examined(step, "bf16" if half else "fp32", device)
        found[name].gflops = found[name].counted.flops / settings.batch_size / 1e9
    return found


def _frames(settings: TrainConfig, device: torch.device) -> list[torch.Tensor]:
    """Two normalised frames on the host, as pinned memory where a GPU copies them."""
    shape = (settings.batch_size, 3, settings.image_size, settings.image_size)
    frames = [torch.randn(shape) for _ in range(2)]
    return [each.pin_memory() for each in frames] if device.type == "cuda" else frames


def examined(
    step: Callable[[], object], precision: str, device: torch.device, gflops: float = 0.0
) -> Runner:
    """Count and profile a step; the first, which allocates the optimiser's state, is neither."""
    step()
    with uncompiled(), Counting() as counting:
        step()
    step()
    return Runner(step, precision, counting.counted, profile_step(step, device), gflops)


def row(
    name: str, runner: Runner, taken: dict[str, list[Taken]], batch: int, roofline: Roofline
) -> dict[str, Any]:
    """The figures of one step.

    ratio, cpu_ratio: least, median and most of how many times faster the trainer's step is, round
    by round, in wall time and in CPU time of all threads. mfu: share of the measured rate of
    products, in the step's own precision. bound: pairs a second when each operation is as fast as
    products or memory allow, without fusion. Compiled steps fuse operations, and may be faster.
    """
    own, precision = taken[name], runner.precision
    rounds = list(zip(own, taken[OURS], strict=True))
    pairs = [batch / each.wall for each in own]
    return {
        "step": name,
        "precision": precision,
        "pairs_per_second": spread(pairs),
        "ratio": spread([other.wall / ours.wall for other, ours in rounds]),
        "cpu_ratio": spread([other.cpu / ours.cpu for other, ours in rounds]),
        "gflops_per_pair": runner.gflops,
        "mfu": 1e9 * runner.gflops * median(pairs) / roofline.products[precision],
        "kernels": runner.profiled.kernels,
        "operations": runner.counted.calls,
        "peak_bytes": runner.profiled.peak,
        "bytes_moved": runner.counted.moved,
        "bound": batch / runner.counted.bound(roofline, precision),
        "seconds": [each.wall for each in own],
    }


def spread(values: list[float]) -> list[float]:
    """Least, median and most."""
    return [min(values), median(values), max(values)]


def columns(found: dict[str, Any], kernels: str) -> dict[str, str]:
    """The cells of a row, by their headings."""
    return {
        "step": found["step"],
        "products": found["precision"],
        "pairs/s\nmin / median / max": three(found["pairs_per_second"], "{:.4g}"),
        f"{OURS} is faster by\nmin / median / max": three(found["ratio"], "{:.2f}x"),
        "GFLOP\na pair": f"{found['gflops_per_pair']:.3g}",
        "MFU": f"{100 * found['mfu']:.0f}%",
        "by CPU time\n(median)": f"{found['cpu_ratio'][1]:.2f}x",
        kernels: f"{found['kernels']:,}",
        "peak memory\nof a step": f"{found['peak_bytes'] / 2**20:,.0f} MiB",
        "pairs/s that the\nroofline allows": f"{found['bound']:.4g}",
    }


def three(values: Iterable[float], style: str) -> str:
    """Format least, median and most."""
    return " / ".join(style.format(value) for value in values)


def show(figures: dict[str, Any]) -> None:
    """Print the table, the roofline, and where it was measured."""
    cuda = figures["machine"]["device"] != processor()
    kernels = "kernels\na step" if cuda else "ATen calls\na step"
    table = Table(title="A training step / the published loop's")
    rows = [columns(each, kernels) for each in figures["rows"]]
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in ("step", "products") else "right")
    for cells in rows:
        table.add_row(*cells.values())
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)
    roofline = figures["roofline"]
    rates = ", ".join(
        f"{name} products {rate / 1e12:.3g} TFLOP/s" for name, rate in roofline["products"].items()
    )
    ridges = " and ".join(f"{ridge:.0f} ({name})" for name, ridge in roofline["ridge"].items())
    console.print(
        f"roofline: {rates}, copies {roofline['copy'] / 1e9:.3g} GB/s read and written; products "
        f"bound what does more FLOPs a byte than {ridges}",
        highlight=False,
    )
    machine = figures["machine"]
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)
