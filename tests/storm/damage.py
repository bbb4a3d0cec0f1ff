"""Damaged inputs of every kind, each read by what reads it in a command."""

import io
import os
import pickle
import random
import shutil
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from siammae.system.errors import SiammaeError
from siammae.system.process_crew import clean_server
from tests.storm import damaged_data, damaged_labels, damaged_runs
from tests.storm.damages import apply_one
from tests.storm.kind import SKIPPED, Kind
from tests.storm.order import Line, Lost, Order, in_processes

INPUTS, PATIENCE = 5_000, 60.0
KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*damaged_data.KINDS, *damaged_runs.KINDS, *damaged_labels.KINDS)
}
WRONG = ("traceback", "several lines", "crash", "hang", "changed unnoticed", "intact input fails")


def storm(order: Order) -> list[Line]:
    """Damage inputs of all kinds in turn, each in a process that it may take down."""
    made = order.work / "made"
    clean_server([__name__])  # before packing starts one of its own that knows less
    named = {order.case.partition("/")[0]} if order.case else set(KINDS)
    for maker in dict.fromkeys(kind.make for kind in KINDS.values() if kind.name in named):
        maker(made / maker.__name__)
    for kind in KINDS.values():
        assert kind.name not in named or any((made / kind.make.__name__).rglob(kind.files)), kind
    asked = {kind.name: order.count(round(INPUTS * kind.weight)) for kind in KINDS.values()}
    lines = {name: Line(name, number) for name, number in asked.items() if name in named}
    if order.case:
        tasks = [(*order.case.split("/"), order.seed, str(order.work))]
    else:  # in turn, so that a storm that is stopped has seen all kinds
        numbered = [(n / asked[name], name, n) for name in lines for n in range(asked[name])]
        tasks = [(name, str(n), order.seed, str(order.work)) for _, name, n in sorted(numbered)]
    outcomes = in_processes(order, attempt, tasks, PATIENCE)
    for done, ((name, number, seed, _), result) in enumerate(outcomes, start=1):
        if isinstance(result, Lost):
            crashed = "crash" if "crash" in result.reason else "hang"
            result = (crashed, f"{result.reason}; {result.partial}")
        outcome, told = result
        again = f"{name}/{number} (seed {seed}): {told}"
        lines[name].note(outcome, again if outcome in WRONG else "")
        if order.case:
            order.say(f"{outcome}: {told}")
        elif done % 50 == 0:
            order.say(f"{done} of {len(tasks)}, {sum(line.wrong for line in lines.values())} wrong")
    return list(lines.values())


def attempt(task: tuple[str, str, int, str]) -> Iterator[tuple[str, str] | None]:
    """Damage one input and read it; yields the end and what was told."""
    name, number, seed, work = task
    kind, rng = KINDS[name], random.Random(f"{name} {number} {seed}")
    try:
        intact = read_intact(name, work)
    except Exception:
        yield "intact input fails", traceback.format_exc()
        return
    folder = fresh(kind, work)
    path = rng.choice(sorted(path for path in folder.rglob(kind.files) if path.is_file()))
    how = f"{path.relative_to(folder)}: {apply_one(path, rng)}"
    yield "", how  # in case that this process ends
    yield ends(kind, folder, intact, how)


def ends(kind: Kind, folder: Path, intact: dict[str, Any], how: str) -> tuple[str, str]:
    """Read a damaged input; return the end, and what was done and told."""
    try:
        found = read(kind, folder)
    except SiammaeError as error:
        one = "\n" not in str(error)
        return ("clean error" if one else "several lines"), f"{how}: {error}"
    except Exception:
        return "traceback", f"{how}: " + " | ".join(traceback.format_exc().splitlines()[-5:])
    lost = [key for key in intact if found.get(key, SKIPPED) == SKIPPED != intact[key]]
    changed = [k for k, v in found.items() if v not in (SKIPPED, intact.get(k))]
    if changed and kind.can_tell:
        return "changed unnoticed", f"{how}: {', '.join(map(str, changed[:3]))}"
    if changed:
        return "other content, no checksum", how
    return ("skipped and said" if lost else "same result"), how


@cache
def read_intact(name: str, work: str) -> dict[str, Any]:
    """What an undamaged input gives, read once in each process."""
    return read(KINDS[name], fresh(KINDS[name], work))


def read(kind: Kind, folder: Path) -> dict[str, Any]:
    """Read a folder as its kind says; what is printed is thrown away."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        found = kind.read(folder)
    return {key: v if v is SKIPPED else short(v) for key, v in found.items()}


def fresh(kind: Kind, work: str) -> Path:
    """Return a copy of what was made, in the same place for all of a process."""
    folder = Path(work) / f"of-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Path(work) / "made" / kind.make.__name__, folder)
    return folder


def short(value: Any) -> str:
    """Return a hash of a result."""
    return blake2b(pickle.dumps(value), digest_size=12).hexdigest()
