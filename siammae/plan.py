"""Print what a multirun would do, and start nothing: its runs, their time, disk space and seeds.

python -m siammae.plan experiments=decoder                   one experiment
python -m siammae.plan experiments=all preset=paper          every one, under a preset
python -m siammae.plan mask_ratio=0.9,0.95 frame_gap=4,10    axes of the command line
python -m siammae.plan experiments=decoder --difference 2    seeds to tell 2 points of J&F apart
python -m siammae.plan preset=gpu --fit                      the largest batch that fits into memory
"""

import argparse
import sys
from collections import Counter
from typing import Any

from siammae.config.experiment import read_experiments
from siammae.config.groups import class_of
from siammae.evaluation.measuring.metric import SHARE
from siammae.launching.entry import run as start
from siammae.planning.coming import OUTSIDE, Coming, chosen, coming
from siammae.planning.cost import Cost, Sample, estimate, samples
from siammae.planning.power import Spread, seeds_needed, spread
from siammae.report.runs.listing import common
from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.errors import ConfigError
from siammae.system.paths import ROOT
from siammae.system.progress import ProgressDisplay, console, duration
from siammae.tracking.record import RunRecord, read_runs

DONE = ("finished", "running")  # nothing is left to do here


@ignore_broken_pipe()
def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="\n".join(__doc__.splitlines()[2:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "overrides", nargs="*", help="as for siammae.train; experiments=all takes every experiment"
    )
    parser.add_argument(
        "--difference",
        type=_positive,
        default=1.0,
        metavar="X",
        help="print how many seeds tell a difference of X from chance, in points of percent or the "
        "metric's unit (1)",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="train a few steps in a temporary folder where no finished run shows the speed",
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="find the largest batch of one process that fits into the device's memory, by taking "
        "steps, instead of a plan",
    )
    return start(lambda: plan(parser.parse_intermixed_args()))


def plan(given: argparse.Namespace) -> None:
    """Look up the runs of a command and print the plan."""
    experiments = read_experiments(ROOT / "experiments")
    names, overrides = chosen(given.overrides, sorted(experiments))
    with ProgressDisplay("runs looked up") as display:
        plans = coming(overrides, names, display.update)
    runs = list({run.key: run for run in _all(plans)}.values())
    if given.fit:
        fit_batch(runs)
        return
    recorded = _recorded(runs)
    measures = samples(recorded)
    if given.calibrate:
        measures += _calibrated(runs, measures)
    costs = {id(run): cost(run, measures) for run in runs}
    for name, found in plans.items():
        title = f"{name}: {experiments[name].question}" if name in experiments else name
        show(name, title, found, {run.signature: costs[id(run)] for run in runs if run.identity})
    sum_up(runs, costs, measures)
    tell_seeds(spread(recorded, {run.signature for run in runs}), given.difference)


def fit_batch(runs: list[Coming]) -> None:
    """Print the largest batch that fits, of one configuration.

    Raises:
        ConfigError: when there are several.
    """
    from siammae.planning.fit import fit, report

    if len({run.key for run in runs}) != 1:
        raise ConfigError(f"--fit takes one configuration, and these are {len(runs)}: fix the axes")
    settings = runs[0].settings
    method: Any = class_of(settings.method.target, "method", settings.trusted_packages)
    print("\n".join(report(fit(settings), settings.batch_size, method.whole_batch)))


def _all(plans: dict[str, list[Coming]]) -> list[Coming]:
    return [run for found in plans.values() for run in found]


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no difference: a number above 0 is needed")
    return number


def _recorded(runs: list[Coming]) -> list[RunRecord]:
    """Return all runs in the folders of the plan's runs."""
    folders = {run.identity.record.folder.parent for run in runs if run.identity is not None}
    return [record for folder in sorted(folders) for record in read_runs(folder)[0]]


def steps_of(run: Coming) -> tuple[int, int]:
    """Return the optimiser steps of a run and those that are left; 0 when they are unknown."""
    return run.steps, 0 if run.state in DONE else max(0, run.steps - run.step)


def cost(run: Coming, measures: list[Sample]) -> Cost | None:
    """Estimate the remaining cost of a run; None when it is unknown or nothing is left."""
    if run.identity is None or run.state in DONE:
        return None
    return estimate(run.settings.as_dict(), steps_of(run)[1], measures)


def _calibrated(runs: list[Coming], measures: list[Sample]) -> list[Sample]:
    """Calibrate each kind of run that has no comparable finished run."""
    from siammae.planning.calibrate import calibrate

    made: list[Sample] = []
    for run in runs:
        if run.identity is not None and run.state not in DONE:
            cost_of_step = estimate(run.settings.as_dict(), 1, [*measures, *made])
            if cost_of_step is None or cost_of_step.basis.endswith("the same encoder"):
                print(f"  calibrating: {run.label}", flush=True)
                made.append(calibrate(run.overrides))
    return made


def show(name: str, title: str, runs: list[Coming], costs: dict[str, Cost | None]) -> None:
    """Print a table of one experiment's runs."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for column in ("setting", "seed", "run", "state", "steps left", "time", "also in"):
        table.add_column(column, justify="left" if column in ("setting", "also in") else "right")
    same = common([run.label for run in runs])
    for run in runs:
        steps, left = steps_of(run)
        state = run.state
        if state not in (*DONE, "new") and run.step:
            state += f", resumes at {run.step:,}"
        known = costs.get(run.signature)
        table.add_row(
            escape(" ".join(part for part in run.label.split(" ") if part not in same)),
            str(run.seed),
            run.signature,
            state,
            f"{left:,} of {steps:,}" if steps else "",
            "" if known is None else duration(known.seconds),
            _others([table for table in run.tables if table not in (name, OUTSIDE)]),
        )
    console().print(table)
    if same:
        print(f"  all with {' '.join(same)}")
    alike: dict[str, list[str]] = {}
    for run in runs:
        alike.setdefault(run.key, []).append(run.label)
    for labels in dict.fromkeys(tuple(each) for each in alike.values() if len(each) > 1):
        print(f"  one and the same run: {' and '.join(labels)}")
    for problem in dict.fromkeys(run.problem for run in runs if run.problem):
        print(f"  is unknown: {problem}")


def _others(tables: list[str]) -> str:
    return ", ".join(tables) if len(tables) <= 3 else f"{len(tables)} other tables"


def sum_up(runs: list[Coming], costs: dict[int, Cost | None], measures: list[Sample]) -> None:
    """Print counts, time, GPU hours and disk of all runs together."""
    states = Counter(run.state for run in runs)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    left = [run for run in runs if run.state not in (*DONE, "unknown")]
    estimates = [found for run in left if (found := costs[id(run)]) is not None]
    print(f"{len(runs)} different runs: {counts}")
    if estimates:
        devices = ", ".join(sorted({each.device for each in estimates}))
        print(
            f"{len(left)} to train: {duration(sum(each.seconds for each in estimates))} "
            f"one after the other, {sum(each.gpu_hours for each in estimates):.1f} GPU hours, "
            f"{sum(each.bytes for each in estimates) / 1e9:.2f} GB of disk (measured on {devices})"
        )
        for basis, count in Counter(each.basis for each in estimates).items():
            print(f"  {count} estimated from {basis}")
    if states["unknown"]:
        print(f"  {states['unknown']} are unknown until their files are there (see above)")
    unknown = len(left) - len(estimates)
    if unknown:
        print(f"  time of {unknown} unknown: no finished run is like them; --calibrate measures it")


def tell_seeds(found: Spread | None, difference: float) -> None:
    """Print how many seeds it takes to tell a difference, in points of percent or in the unit."""
    if found is None:
        print("seeds needed: unknown, no setting of these has two finished seeds yet")
        return
    if found.metric.endswith("train/loss"):
        print("seeds needed: unknown for a training loss; choose a benchmark")
        return
    factor, unit = (100, "points") if found.unit == SHARE else (1, found.unit or "units")
    n = seeds_needed(difference / factor, found.deviation)
    kind = "of paired differences" if found.paired else "between settings, seeds unpaired"
    print(
        f"seeds needed to tell {difference:g} {unit} of {found.metric} apart "
        f"(4 times in 5, at 5%): {n} a setting "
        f"(standard deviation {kind} {factor * found.deviation:.2f} {unit}, "
        f"{found.degrees} degrees of freedom)"
    )


if __name__ == "__main__":
    sys.exit(main())
