"""Attack the framework and print what became of it; docs/reliability.md shows the table.

python -m tests.storm                              all parts, hours on two cores
python -m tests.storm --part frames --minutes 5    one part, stopped after five minutes
python -m tests.storm --part damage --case metrics/17 --seed 0    one attempt again
python -m tests.storm --share 0.01                 a hundredth of the attempts
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from siammae.system.paths import ROOT
from tests.storm.order import Line, Order

# Of a part: the module whose `storm(order)` returns its lines.
PARTS = {
    "frames": "tests.storm.frames",
    "kills": "tests.storm.kills",
    "damage": "tests.storm.damage",
    "foreign": "tests.storm.foreign",
    "memory": "tests.storm.memory",
}


def main() -> int:
    """Run the parts; return 1 when anything ended wrongly."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.storm", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    add("--minutes", type=float, default=float("inf"), help="at which each part stops")
    add("--seed", type=int, default=0, help="of all that is drawn (0)")
    add("--share", type=float, default=1.0, help="of the attempts of a whole storm (1)")
    add("--case", help="repeat one attempt at damage, named as in the failures: KIND/NUMBER")
    add("--processes", type=int, default=2, help="that attack side by side (2)")
    add("--out", type=Path, default=Path("storm"), help="folder of the results (storm)")
    given = parser.parse_args()
    if given.case and given.part != ["damage"]:
        parser.error("--case goes with --part damage")
    given.out.mkdir(parents=True, exist_ok=True)
    bad = 0
    for part in given.part or PARTS:
        bad += sum(line.wrong for line in run(part, given))
    print(table(given.out))
    return int(bool(bad))


def run(part: str, given: argparse.Namespace) -> list[Line]:
    """Run a part and write ``PART.json``; return its lines."""
    print(f"{part}:", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"storm-{part}-") as work:
        until = began + 60 * given.minutes
        order = Order(Path(work), given.seed, given.share, until, given.processes, given.case)
        lines: list[Line] = import_module(PARTS[part]).storm(order)
    told = {
        "part": part, "seed": given.seed, "share": given.share, "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - began), "commit": commit(), "machine": machine(),
        "lines": [vars(line) for line in lines],
    }  # fmt: skip
    if given.case is None:
        (given.out / f"{part}.json").write_text(json.dumps(told, indent=1))
    for line in lines:
        print(*(f"  {line.what}: {failure}" for failure in line.failures), sep="\n", end="")
    print(f"{part}: {told['seconds']} s", flush=True)
    return lines


def table(folder: Path) -> str:
    """Return the table of the results in a folder, in Markdown."""
    rows = ["| part | what | tried | wrong | ends |", "|---|---|---:|---:|---|"]
    for part in PARTS:
        path = folder / f"{part}.json"
        for line in json.loads(path.read_text())["lines"] if path.is_file() else ():
            ends = ", ".join(f"{count:,} {end}" for end, count in sorted(line["outcomes"].items()))
            short = "" if line["tried"] >= line["asked"] else f" of {line['asked']:,}"
            tried = f"{line['tried']:,}{short}"
            rows.append(f"| {part} | {line['what']} | {tried} | {line['wrong']:,} | {ends} |")
    return "\n".join(rows)


def commit() -> str:
    """Return the commit of the code, with ``+`` when it was changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("diff", "HEAD", "--stat") else "")


def machine() -> str:
    """Return processor and system in words."""
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if line.startswith("model name")]
    name = names[0].partition(": ")[2] if names else platform.processor()
    return f"{len(names)} x {name}, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
