"""Records, packs and archives from elsewhere that were made to do harm."""

import io
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from siammae.system.errors import SiammaeError
from tests.storm import damaged_data, damaged_runs, foreign_files, foreign_records
from tests.storm.order import Line, Order

Attack = Callable[[Path, "Canary"], None]  # plants and reads something in a folder
FILES = ("archives", "packs", "labels", "pickles")
RECORDS = ("settings of a record", "words for a shell", "names in tables", "runs tried again")


class Canary:
    """What an attack tries to do: make files outside its folder, run a command.

    ran: exists once the command has run. outside: the folder around that of the attack.
    """

    def __init__(self, outside: Path):
        self.outside, self.ran = outside, outside / "ran"
        self.command = f"touch {self.ran}"
        self.before = self.seen()

    def seen(self) -> dict[str, bytes]:
        """All files outside of the attack's folder."""
        return {
            str(path): path.read_bytes()
            for path in self.outside.rglob("*")
            if path.is_file() and "inside" not in path.relative_to(self.outside).parts
        }

    def harm(self) -> str:
        """Say what happened that must not; empty: nothing."""
        changed = {name for name, _ in self.seen().items() ^ self.before.items()}
        if self.ran.exists():
            return f"the command ran ({self.command})"
        return f"files outside: {', '.join(sorted(changed))}" if changed else ""

    def shell(self, lines: str, folder: Path) -> None:
        """Have a shell read lines, with a `git` and a `python` that do nothing."""
        bare = self.outside / "programs"
        path = os.pathsep.join((str(bare), os.environ["PATH"]))
        subprocess.run(["sh", "-c", lines], cwd=folder, env={"PATH": path}, capture_output=True)


def storm(order: Order) -> list[Line]:
    """Try every attack in a folder of its own."""
    runs = order.work / "made/inside"
    with redirect_stdout(io.StringIO()):
        damaged_runs.make_runs(runs)
        damaged_data.make_packs(order.work / "packs/inside")
    groups = {
        **dict(zip(FILES, foreign_files.groups(order.work / "packs/inside"), strict=True)),
        **dict(zip(RECORDS, foreign_records.groups(runs), strict=True)),
    }
    lines = []
    for what, attacks in groups.items():
        found = list(attacks)
        found = found[:: max(1, len(found) // order.count(len(found)))]
        line = Line(what, len(found))
        for number, (name, attack) in enumerate(found):
            if order.is_over:
                break
            outcome, failure = attempt(order.work / f"{what} {number}", attack)
            line.note(outcome, f"{name}: {failure}" if failure else "")
        order.say(f"{what}: {line.tried}, {line.wrong} wrong")
        lines.append(line)
    return lines


def attempt(outside: Path, attack: Attack) -> tuple[str, str]:
    """Carry out an attack; return its end and, when it is a wrong one, what happened."""
    folder, programs = outside / "level/inside", outside / "programs"
    folder.mkdir(parents=True)
    programs.mkdir()
    for name in ("git", "python"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (outside / "kept").write_text("kept")
    canary, words, crash = Canary(outside), sys.argv, ""
    try:
        with chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            attack(folder, canary)
        outcome = "harmless"
    except SiammaeError as error:
        outcome = "refused"
        crash = "several lines" if "\n" in str(error) else ""
    except Exception:
        outcome, crash = "traceback", " | ".join(traceback.format_exc().splitlines()[-5:])
    finally:
        sys.argv = words
    harm = canary.harm()
    shutil.rmtree(folder)
    return ("harm done" if harm else outcome), harm or crash


Attacks = Iterator[tuple[str, Attack]]
