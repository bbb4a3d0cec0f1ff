"""Measure the time of a training step with an extension, relative to the same step without it.

A round is one step of each, and its ratio is of two neighbouring moments, as other work on the
machine allows. Beside their median stands the ratio of the fastest steps, which other work disturbs
least. A step is the trainer's own: preparation of the frames on the device, forward, backward,
optimiser. Reading of clips is not timed. CPU time of all threads on CPUs, wall time with the
device's queue emptied on GPUs.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from siammae.assembly.device import choose_device, fast_matmul, keep_memory
from siammae.assembly.flops import gflops_per_pair
from siammae.config.check import check
from siammae.config.schema import TrainConfig
from siammae.data.sampling.batch import PairBatch
from siammae.data.sampling.loader import PairDataset, make_loader
from siammae.launching.registration import register_with_hydra
from siammae.system.errors import SiammaeError
from siammae.system.paths import CONFIGS
from siammae.training.trial import trial_trainer

from .rounds import WARM_UP, interleaved

GROUPS = ("rotation", "targets", "uncertainty")  # whose every option is measured by default
MASKINGS = (
    "masking=motion",
    "masking=uncertainty",
    "masking=uncertainty masking.estimate=predicted uncertainty=gaussian / uncertainty=gaussian",
)
DISTINCT = 2  # batches, taken in turn


@dataclass(frozen=True)
class Case:
    """Overrides of the configuration, and those of what it is compared with."""

    overrides: tuple[str, ...]
    against: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Of ``KEY=VALUE ...``, with ``/ KEY=VALUE ...`` when it is not against the default."""
        overrides, _, against = text.partition(" / ")
        return cls(tuple(overrides.split()), tuple(against.split()))


@dataclass
class Contender:
    """A model with its optimiser, ready to take steps.

    count: future frames of a sample. gflops: of a pair.
    """

    step: Callable[[], object]
    count: int
    gflops: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--overrides",
        nargs="+",
        metavar="CASE",
        help="each the overrides of one configuration in quotes, with ' / ' and those of what it "
        "is compared with, if not the default (default: every option of the extensions)",
    )
    parser.add_argument(
        "--base",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="overrides for all cases, also for the step without an extension",
    )
    parser.add_argument(
        "--rounds", type=int, default=9, help="pairs of steps that are timed (default: 9)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of torch on a CPU (default: 1)"
    )
    parser.add_argument(
        "--device", default="auto", help="device, as for siammae.train (default: auto)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures to this file, too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write the JSON."""
    if min(arguments.rounds, arguments.threads) < 1:
        print("error: --rounds and --threads must be at least 1", file=sys.stderr)
        return 2
    torch.set_num_threads(arguments.threads)
    cases = [Case.parse(text) for text in arguments.overrides or extensions()]
    try:
        device = choose_device(arguments.device)
        rows = list(measure(cases, arguments.base, device, arguments.rounds))
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    machine = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "threads": arguments.threads,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": arguments.rounds,
        "base": " ".join(arguments.base) or "preset=demo",
        "load": round(os.getloadavg()[0], 1),
    }
    show(rows, machine)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    return 0


def extensions() -> list[str]:
    """Every option of the extensions' groups but the default, and the maskings that look."""
    defaults: Any = OmegaConf.load(Path(CONFIGS) / "train.yaml").defaults
    chosen = {
        group: name for entry in defaults if entry != "_self_" for group, name in entry.items()
    }
    found = [
        f"{group}={path.stem}"
        for group in GROUPS
        for path in sorted((Path(CONFIGS) / group).glob("*.yaml"))
        if path.stem != chosen[group]
    ]
    return [*found, *MASKINGS]


def measure(
    cases: Sequence[Case], base: Sequence[str], device: torch.device, rounds: int
) -> Iterator[dict[str, Any]]:
    """A row of figures for each case, when it is done."""
    if device.type == "cpu":
        keep_memory()
    fast_matmul(device)
    with tempfile.TemporaryDirectory() as folder:
        fixed = [*base, "benchmark=none", "tracking=none", "pictures=0", f"data.root={folder}"]
        for case in cases:
            print(f"measuring {' '.join(case.overrides)} ...", file=sys.stderr)
            without, extended = (
                contender(configured([*fixed, *overrides]), device, rounds)
                for overrides in (case.against, case.overrides)
            )
            yield figures(case, without, extended, device, rounds)


def configured(overrides: Sequence[str]) -> TrainConfig:
    """The settings of ``siammae.train``, checked."""
    register_with_hydra()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS)):
        return check(compose("train", list(overrides)))


def contender(settings: TrainConfig, device: torch.device, rounds: int) -> Contender:
    """What a configuration trains, at the end of its schedule: no warm-up is on any more."""
    steps = 100 * (WARM_UP + rounds)
    trainer, dataset = trial_trainer(settings, device, steps)
    feed = trainer.feed(endless(dataset, settings.batch_size, settings.accumulate))
    numbers = iter(range(steps - WARM_UP - rounds + 1, steps + 1))
    return Contender(
        lambda: trainer.train_step(next(numbers), feed),
        dataset.targets.count,
        gflops_per_pair(settings),
    )


def endless(dataset: PairDataset, batch_size: int, accumulate: int) -> Iterator[PairBatch]:
    """A few batches that are read before, again and again."""
    visits = DISTINCT * batch_size // dataset.pairs
    return cycle(list(make_loader(dataset, batch_size // accumulate, 0, visits, 0)))


def figures(
    case: Case, without: Contender, extended: Contender, device: torch.device, rounds: int
) -> dict[str, Any]:
    """Steps of both in turn, and what they cost."""
    taken = interleaved({"without": without.step, "with": extended.step}, device, rounds)
    own, other = (
        [each.cpu if device.type == "cpu" else each.wall for each in taken[name]]
        for name in ("with", "without")
    )
    ratios = [a / b for a, b in zip(own, other, strict=True)]
    row: dict[str, Any] = {
        "case": " ".join(case.overrides),
        "against": " ".join(case.against) or "default",
        "without_s": median(other),
        "with_s": median(own),
        "ratio": [min(ratios), median(ratios), max(ratios)],
        "fastest_ratio": min(own) / min(other),
        "gflops_ratio": extended.gflops / without.gflops,
        "frames": extended.count,
    }
    if extended.count > without.count:
        row["ratio_to_single_steps"] = median(ratios) * without.count / extended.count
    return row


def columns(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a row, by their headings."""
    single = row.get("ratio_to_single_steps")
    return {
        "with": row["case"],
        "against": row["against"],
        "ms a step\nwithout / with": f"{1e3 * row['without_s']:.0f} / {1e3 * row['with_s']:.0f}",
        "time of a step\nleast / median / most": " / ".join(f"{r:.2f}x" for r in row["ratio"]),
        "of the\nfastest": f"{row['fastest_ratio']:.2f}x",
        "counted\noperations": f"{row['gflops_ratio']:.2f}x",
        "time against as many\nsteps of one frame": "" if single is None else f"{single:.2f}x",
    }


def show(rows: list[dict[str, Any]], machine: dict[str, Any]) -> None:
    """Print the table and where it was measured."""
    table = Table(title="A training step with an extension / without")
    for heading in columns(rows[0]):
        table.add_column(heading, justify="left" if heading in ("with", "against") else "right")
    for row in rows:
        table.add_row(*columns(row).values())
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()), highlight=False)
