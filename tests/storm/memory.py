"""Memory of a training over many pairs of a pack with clips of many sizes.

python -m tests.storm.memory PACK [PAIRS]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from video_kinds import write

from tests.storm.order import Line, Order

PAIRS, GROWTH = 20_000, 1.1  # of a whole storm; how often the first moment's memory the last may be
BATCH = 8  # small, so that there are many steps and many shapes of batches
MOMENTS = 10
# The smallest model there can be: what grows does so by the step or by the read.
TINY = (
    "encoder=vit_demo8 encoder.width=32 encoder.depth=1 encoder.heads=2 "
    "decoder.width=32 decoder.depth=1 decoder.heads=2 image_size=40 "
    f"batch_size={BATCH} data.repeated_sampling=2 data.workers=2 benchmark=none tracking=none "
    "pictures=0 progress=none device=cpu log_every=25 checkpoint_every=1000000"
).split()


class Moment(NamedTuple):
    """Memory in MB after so many pairs.

    pairs: that were trained on. anon, file: of the trainer, its own memory and mapped files.
    readers: of all processes below the trainer, their own and a share of what is shared.
    """

    pairs: int
    anon: float
    file: float
    readers: float


def storm(order: Order) -> list[Line]:
    """Train on a pack of the set ``mini`` of SIAMMAE_TEST_DATA, or of generated clips."""
    clips = Path(os.environ.get("SIAMMAE_TEST_DATA", "none")) / "mini"
    if not clips.is_dir():
        clips = order.work / "clips"
        clips.mkdir()
        for number in range(60):  # each of a size of its own
            size = 96 + 4 * (number % 12), 80 + 2 * number
            write(clips / f"{number}.mp4", frames=20, size=size)
    pack = order.work / "pack"
    words = ["data=videos", f"data.root={clips}", f"out={pack}", "workers=2"]
    subprocess.run([sys.executable, "-m", "siammae.pack", *words], check=True, capture_output=True)
    pairs = order.count(PAIRS)
    line = Line(f"pairs trained on, of packed clips ({clips.name})", pairs)
    curve = memory_curve(pack, pairs)
    for moment in curve:
        order.say("{} pairs: {:.0f} MB own, {:.0f} MB files, readers {:.0f} MB".format(*moment))
    first, last = curve[0].anon, curve[-1].anon
    grown = f"{first:.0f} MB grew to {last:.0f} MB" if last > GROWTH * first else ""
    line.note(f"pairs, from {first:.0f} to {last:.0f} MB", grown, tried=curve[-1].pairs)
    return [line]


def memory_curve(pack_root: Path, pairs: int) -> list[Moment]:
    """Train a tiny model on ``pairs`` pairs of a pack; return its memory at ten moments.

    Raises:
        AssertionError: when the training fails; it has its output.
    """
    found: list[Moment] = []
    with tempfile.TemporaryDirectory() as runs, Path(runs, "output").open("w+") as output:
        steps = -(-pairs // BATCH)
        command = [sys.executable, "-m", "siammae.train", "data=packed", f"data.root={pack_root}"]
        command += [*TINY, f"schedule.steps={steps}", f"runs_dir={runs}/runs"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                done = _pairs_seen(Path(runs))
                if done * MOMENTS >= pairs * (len(found) + 1):
                    found += [moment for moment in [_measure(process.pid, done)] if moment]
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        assert process.returncode == 0, output.read()
    return found


def _pairs_seen(runs: Path) -> int:
    for path in runs.glob("runs/*/metrics.jsonl"):
        lines = path.read_text().splitlines()
        if lines and lines[-1].endswith("}"):
            return int(json.loads(lines[-1])["pairs_seen"])
    return 0


def _measure(trainer: int, pairs: int) -> Moment | None:
    """Return the memory now; None when the trainer has ended."""
    try:
        lines = Path(f"/proc/{trainer}/status").read_text().splitlines()
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in lines)
    if "RssAnon" not in told:  # a zombie
        return None
    anon, file = (int(told[key].split()[0]) / 1024 for key in ("RssAnon", "RssFile"))
    return Moment(pairs, anon, file, sum(map(_proportional, _below(trainer))) / 1024)


def _below(process: int) -> Iterator[int]:
    """Yield all descendants of a process."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from _below(child)


def _proportional(process: int) -> float:
    """Return the kilobytes of a process, with a part of what it shares with others."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((float(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    asked = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    print("  pairs   anon   file  readers (MB)")
    for seen, *megabytes in memory_curve(Path(sys.argv[1]), asked):
        print(f"{seen:7d}" + "".join(f"{value:7.0f}" for value in megabytes))
