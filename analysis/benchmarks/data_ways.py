"""The ways to a frame pair that are timed against each other, on the same clips."""

import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from siammae.data.augment.pair_augment import PairAugment
from siammae.data.augment.rotation import NoRotation
from siammae.data.packing.packed import Packed
from siammae.data.sampling.batch import collate
from siammae.data.sampling.loader import PairDataset
from siammae.data.sampling.targets import SingleTarget
from siammae.data.sets.videos import ClipSource, Videos
from siammae.system.errors import DataError
from siammae.system.paths import ROOT

from .data_baseline import GAP, UsualPairs

SIZE = 224
PAIRS = 2  # of an opened clip (paper)
BATCH = 64
USUAL, UNPACKED, DEVICE = "usual", "unpacked", "packed, crop on the device"
HOST, BATCHES, BARE = "packed, crop and flip on the host", "packed, in batches", "bare JPEG"


@dataclass
class Way:
    """One way: ``run(passes)`` reads pairs of every clip and returns how many.

    passes: in a round, so that even a fast one is long enough to be timed.
    """

    name: str
    passes: int
    run: Callable[[int], int]


def ways(clips: Path, packed: Path, passes: int) -> list[Way]:
    """All ways to pairs of the clips of a folder, and of what was packed of them."""
    videos = Videos(str(clips)).videos()
    usual = UsualPairs(SIZE, seed=0)

    def read_usually(rounds: int) -> int:
        for path in videos * (PAIRS * rounds):
            usual.read(path)
        return len(videos) * PAIRS * rounds

    pack = Packed(str(packed), repeated_sampling=PAIRS)
    return [
        Way(USUAL, 1, read_usually),
        Way(UNPACKED, 1, _samples(Videos(str(clips), repeated_sampling=PAIRS), "device")),
        Way(DEVICE, passes, _samples(pack, "device")),
        Way(HOST, passes, _samples(pack, "host")),
        Way(BATCHES, passes, _batches(pack)),
        Way(BARE, passes, _bare(pack, packed, passes)),
    ]


def pack_clips(clips: Path, out: Path) -> None:
    """By the command that a user gives.

    Raises:
        DataError: with what it said.
    """
    options = ["data=videos", f"data.root={clips}", f"out={out}", "workers=1", "progress=none"]
    command = [sys.executable, "-m", "siammae.pack", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"packing {clips} failed: {done.stderr or done.stdout}")


def dataset(source: ClipSource, resize: str = "device") -> PairDataset:
    """Pairs as the paper draws them."""
    return PairDataset(
        source, SingleTarget(list(GAP)), NoRotation(), PairAugment(SIZE, resize=resize), seed=0
    )


def _samples(source: ClipSource, resize: str) -> Callable[[int], int]:
    data, visit = dataset(source, resize), count()

    def run(rounds: int) -> int:
        return sum(len(data[next(visit)].samples) for _ in range(len(data.clips) * rounds))

    return run


def _batches(source: ClipSource) -> Callable[[int], int]:
    """The same with their assembly, as a reader process sends them."""
    data, visit = dataset(source), count()

    def run(rounds: int) -> int:
        visits = len(data.clips) * rounds
        for first in range(0, visits, BATCH // PAIRS):
            part = range(first, min(first + BATCH // PAIRS, visits))
            collate([data[next(visit)] for _ in part])
        return visits * PAIRS

    return run


def _bare(source: Packed, folder: Path, passes: int) -> Callable[[int], int]:
    """Nothing but simplejpeg, on frames of pairs whose JPEG bytes are in memory."""
    import simplejpeg

    pairs = list(_jpeg_pairs(source, folder, passes))

    def run(rounds: int) -> int:
        for pair in pairs:
            for jpeg in pair:
                simplejpeg.decode_jpeg(jpeg)
        return len(pairs)

    return run


def _jpeg_pairs(source: Packed, folder: Path, passes: int) -> Iterator[list[bytes]]:
    """Of random pairs of every clip, read out of the shards by tarfile."""
    stored: dict[str, bytes] = {}
    for shard in sorted(folder.rglob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None and member.name.endswith(".jpg"):
                    stored[member.name] = file.read()
    clips: dict[str, list[str]] = {}
    for name in sorted(stored):
        clips.setdefault(name.split(".")[0], []).append(name)
    rng = np.random.default_rng(0)
    for _ in range(passes * PAIRS):
        for names in clips.values():
            yield _pair(names, stored, rng)


def _pair(names: Sequence[str], stored: dict[str, bytes], rng: np.random.Generator) -> list[bytes]:
    gap = min(int(rng.integers(GAP[0], GAP[1] + 1)), len(names) - 1)
    first = int(rng.integers(0, len(names) - gap))
    return [stored[names[first]], stored[names[first + gap]]]
