"""Memory of a run's processes as it reads pairs: it must not grow."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.table import Table

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.packing.packed import Packed
from siammae.data.sampling.loader import make_loader
from siammae.data.sets.videos import ClipSource, Videos
from siammae.system.errors import SiammaeError

from .data_clips import write_video_file
from .data_ways import dataset, pack_clips

EARLY = 2_000  # pairs, after which memory is compared with
ALLOWED = 0.05  # growth from there to the end
BATCH = 40
SIDE = 96  # of the frames; what leaks does so by the file or by the read
CLIPS, FRAMES = 60, 60
MADE_OF = ("unpacked, H.264", "unpacked, MPEG-4", "packed")


def measure_memory(pairs: int, workers: int) -> list[dict[str, Any]]:
    """Megabytes of trainer and readers after 2,000 pairs and at the end, for each kind of source.

    Raises:
        SiammaeError: when memory is not told on this system, or too few pairs are asked for.
    """
    if not Path("/proc/self/status").exists():
        raise SiammaeError("--memory reads /proc, which this system has not")
    if pairs <= EARLY:
        raise SiammaeError(f"--pairs {pairs}: more than {EARLY} are needed with --memory")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, source in sources(Path(temporary), workers):
            print(f"reading {pairs} pairs, {name} ...", file=sys.stderr)
            rows.append({"way": name, "megabytes": grow(source, pairs)})
    title = f"{workers} readers, {CLIPS} clips of {FRAMES} frames, {SIDE}x{SIDE}"
    return [{"title": title, "rows": rows}]


def sources(folder: Path, workers: int) -> Iterator[tuple[str, ClipSource]]:
    """Of small clips: files whose packets prove their frames, others, and a pack."""
    for kind, codec in (("h264", "libx264"), ("mpeg4", "mpeg4")):
        (folder / kind).mkdir()
        for number in range(CLIPS):
            pictures = _pictures(number)
            write_video_file(folder / kind / f"{number:03d}.mp4", pictures, SIDE, SIDE, codec)
    pack_clips(folder / "h264", folder / "pack")
    names = iter(MADE_OF)
    yield next(names), Videos(str(folder / "h264"), workers=workers)
    yield next(names), Videos(str(folder / "mpeg4"), workers=workers)
    yield next(names), Packed(str(folder / "pack"), workers=workers)


def grow(source: ClipSource, pairs: int) -> dict[int, float]:
    """Megabytes after so many pairs: at ten moments, of which one is the early one."""
    data = dataset(source)
    data.augment = PairAugment(SIDE // 2)
    moments = sorted({EARLY, *(pairs * part // 10 // BATCH * BATCH for part in range(1, 11))})
    found: dict[int, float] = {}
    # Some more batches, so that all readers are still there at the last moment.
    loader = make_loader(data, BATCH, 0, (pairs + 20 * BATCH) // data.pairs, source.workers)
    for number, _ in enumerate(loader, start=1):
        if number * BATCH in moments:
            found[number * BATCH] = _megabytes()
    return found


def _megabytes() -> float:
    """Memory that is this process's and its descendants', shared parts counted once."""
    parents = dict(_parents())
    processes: set[int] = set()
    new = {os.getpid()}
    while new:
        processes |= new
        new = {child for child, parent in parents.items() if parent in new}
    return sum(map(_own, processes)) / 2**10


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                told = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it has ended
                continue
            yield int(folder.name), int(told[1])


def _own(process: int) -> float:
    """Kilobytes, with a part of what is shared with others."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _pictures(number: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(number)
    ground = cv2.resize(rng.integers(0, 256, (24, 24, 3), np.uint8), (2 * SIDE, 2 * SIDE))
    for t in range(FRAMES):
        yield np.ascontiguousarray(ground[t : t + SIDE, 2 * t // 3 : 2 * t // 3 + SIDE])


def show_memory(table: dict[str, Any]) -> Table:
    """Megabytes and growth, with the goal."""
    shown = Table(title=table["title"])
    shown.add_column("clips")
    for heading in (f"MB after {EARLY} pairs", "at the end", "most", "growth", "goal"):
        shown.add_column(heading, justify="right")
    for row in table["rows"]:
        values = list(row["megabytes"].values())
        early = row["megabytes"][EARLY]
        growth = values[-1] / early - 1
        reached = "reached" if growth <= ALLOWED else "missed"
        shown.add_row(
            row["way"],
            f"{early:.0f}",
            f"{values[-1]:.0f}",
            f"{max(values):.0f}",
            f"{growth:+.1%}",
            f"{ALLOWED:.0%} {reached}",
        )
    return shown
