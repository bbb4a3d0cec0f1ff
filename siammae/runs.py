"""List, compare, repeat and remove runs.

python -m siammae.runs                        all runs with state, progress, figure and age, and
                                              Slurm's jobs whose runs are not finished
python -m siammae.runs --state failed --watch --runs DIR
python -m siammae.runs --where decoder.width=128 --experiment decoder
python -m siammae.runs diff A B               the settings and figures in which two runs differ
python -m siammae.runs command SIGNATURE      the commands that make the run again, at its commit
python -m siammae.runs retry [SIGNATURE ...]  train failed runs once more
python -m siammae.runs rm SIGNATURE ...       remove runs, after a question

A signature may be cut short as long as it names one run.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siammae.launching.entry import run as start
from siammae.report.runs import difference, jobs, rerun
from siammae.report.runs.listing import Filter, Listed, find, listed, table
from siammae.system.atomic_files import folder_bytes
from siammae.system.broken_pipe import ignore_broken_pipe
from siammae.system.errors import ConfigError, DataError, RunsFailed
from siammae.system.progress import console

if TYPE_CHECKING:
    from rich.console import Group

COMMANDS = ("list", "diff", "command", "retry", "rm")


@ignore_broken_pipe()
def main() -> int:
    """Run the command and return its exit code."""
    words = [_as_option(word) for word in sys.argv[1:]]
    if not any(word in COMMANDS for word in words) and not {"-h", "--help"} & set(words):
        words = ["list", *words]
    parser = _parser()
    given, unknown = parser.parse_known_args(words)
    if unknown:
        parser.error(f"{unknown[0]}: no such command or option; commands: {', '.join(COMMANDS)}")
    return start(lambda: given.call(given))


def _as_option(word: str) -> str:
    """Accept the folder as ``siammae.train`` and ``siammae.plan`` take it, ``runs_dir=DIR``."""
    return word.replace("runs_dir=", "--runs=", 1) if word.startswith("runs_dir=") else word


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    commands = parser.add_subparsers(required=True)

    def add(name: str, call: Any, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[shared], help=about)
        made.set_defaults(call=call)
        return made

    made = add("list", show, "list runs with state, progress, figure and age (the default)")
    made.add_argument(
        "--state", action="append", default=[], help="list only runs in this state; may be repeated"
    )
    made.add_argument("--experiment", help="list only runs that this experiment asked for")
    made.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="list only runs with this setting; may be repeated",
    )
    made.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=2.0,
        metavar="SECONDS",
        help="refresh the list until Ctrl-C (2)",
    )
    made = add("diff", compare, "show the settings and figures in which two runs differ")
    made.add_argument("one")
    made.add_argument("other")
    add("command", print_command, "print the commands that make a run again").add_argument(
        "signature"
    )
    made = add("retry", retry, "train failed runs once more")
    made.add_argument("signatures", nargs="*", help="failed runs; none named: all that failed")
    made = add("rm", remove, "remove runs")
    made.add_argument("signatures", nargs="+")
    made.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def show(given: argparse.Namespace) -> None:
    """List the runs, once or until Ctrl-C."""
    settings = {}
    for pair in given.where:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--where {pair}: write KEY=VALUE, such as mask_ratio=0.9")
        settings[key] = value
    wanted = Filter(tuple(given.state), given.experiment, settings)
    if not given.runs.is_dir():
        raise DataError(f"{given.runs} is no folder; name the folder of the runs with --runs")
    if given.watch is None:
        rows, shown = tables(given.runs, wanted)
        console().print(shown)
        print(f"{len(rows)} run(s) in {given.runs}")
        return
    from rich.live import Live

    with Live(tables(given.runs, wanted)[1], console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(given.watch)
            live.update(tables(given.runs, wanted)[1], refresh=True)


def tables(runs_dir: Path, wanted: Filter) -> tuple[list[Listed], "Group"]:
    """Return the listed runs, and their table; without a filter also that of Slurm's jobs."""
    from rich.console import Group

    rows = listed(runs_dir, wanted)
    submitted = jobs.open_jobs(runs_dir, rows) if wanted == Filter() else []
    return rows, Group(table(rows), *([jobs.table(submitted)] if submitted else []))


def compare(given: argparse.Namespace) -> None:
    """Print settings, origin and figures of two runs, where they differ."""
    from rich.markup import escape
    from rich.table import Table

    one, other = find(given.runs, given.one), find(given.runs, given.other)
    unlike = difference.settings(one, other) | difference.origin(one, other)
    shown = Table("", escape(one.signature), escape(other.signature), "difference")
    for key, pair in unlike.items():
        shown.add_row(escape(key), *(escape(str(value)) for value in pair), "")
    shown.add_section()
    for key, (left, right) in difference.figures(one, other).items():
        texts = ["" if value is None else f"{value:.4f}" for value in (left, right)]
        gap = "" if left is None or right is None else f"{right - left:+.4f}"
        shown.add_row(escape(key), *texts, gap)
    console().print(shown)


def print_command(given: argparse.Namespace) -> None:
    """Print the lines that make a run again."""
    print("\n".join(rerun.command(find(given.runs, given.signature))))


def retry(given: argparse.Namespace) -> None:
    """Train failed runs once more; raises `RunsFailed` for those that fail again."""
    if given.signatures:
        records = [find(given.runs, name) for name in given.signatures]
    else:
        records = [row.record for row in listed(given.runs, Filter(("failed",)))]
    for record in records:
        if record.state()["state"] != "failed":
            raise ConfigError(f"{record.signature} is {record.state()['state']}, not failed")
    if not records:
        print(f"no run in {given.runs} has failed")
        return
    failed = rerun.retry(records, lambda text: print(text, flush=True))
    if failed:
        raise RunsFailed(failed, len(records), len(records))


def remove(given: argparse.Namespace) -> None:
    """Remove runs, after asking."""
    records = [find(given.runs, name) for name in given.signatures]
    for record in records:
        if record.state()["state"] == "running":
            raise ConfigError(f"{record.signature} is being trained; stop it first")
    names = {record.signature for record in records}
    rows = listed(given.runs, Filter())
    console().print(table(row for row in rows if row.record.signature in names))
    if not given.yes:
        size = sum(folder_bytes(record.folder) for record in records)
        try:
            answer = input(f"remove {len(records)} run(s), {size / 1e6:.0f} MB? [y/N] ")
        except EOFError:
            raise ConfigError("nobody answers; --yes removes without asking") from None
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing removed")
            return
    for record in records:
        with record.claim():
            shutil.rmtree(record.folder)
        print(f"removed {record.folder}")


if __name__ == "__main__":
    sys.exit(main())
