"""Frame numbers that are read, compared with straight decoding by PyAV."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
import numpy as np
from video_kinds import GRID, write

from siammae.data import open_clip
from tests.storm import packed_frames
from tests.storm.order import Line, Lost, Order, in_processes

FRAMES = 100_000  # of generated clips, in a whole storm
READ = 600  # of a clip in one task
LENGTHS = (2, 3, 25, 40, 70, 71, 110, 150)
RATES = (12, 15, 24, 25, Fraction(24000, 1001), Fraction(30000, 1001), 30, 50, 60)
# Whose containers or encoders take any rate.
ANY_RATE = (".mp4", ".mkv", ".mov")


def storm(order: Order) -> list[Line]:
    """Read generated clips, real ones where SIAMMAE_TEST_DATA names some, and packs."""
    clips = make_clips(order)
    lines = [exact(order, f"generated clips ({len(clips)} kinds)", clips, order.count(FRAMES))]
    real = Path(os.environ.get("SIAMMAE_TEST_DATA", "none")) / "clips"
    if real.is_dir():
        found = sorted(path for path in real.iterdir() if path.suffix != ".txt")
        found = found[: order.count(len(found))]
        lines.append(exact(order, f"real clips ({len(found)})", found, order.count(10_000), 100))
    return lines + packed_frames.storm(order, clips)


def make_clips(order: Order) -> list[Path]:
    """Write a clip of every kind, each of a length and rate of its own."""
    rng, folder, paths = random.Random(order.seed), order.work / "clips", []
    folder.mkdir()
    kinds = GRID if order.share >= 0.1 else GRID[:: len(GRID) // 6]
    for number, (name, codec, options, pix_fmt, rate) in enumerate(kinds):
        path = folder / f"{number:02d} {name}"
        rate = rng.choice(RATES) if name.endswith(ANY_RATE) and "mpeg" not in codec else rate
        paths.append(write(path, codec, options, pix_fmt, rate, rng.choice(LENGTHS)))
    return paths


def exact(order: Order, what: str, clips: list[Path], frames: int, each: int = READ) -> Line:
    """Read so many frames of clips, each in processes, and compare every one."""
    line, seed = Line(f"{what}: pairs at random, around key frames, strides", frames), order.seed
    while line.tried < frames and not order.is_over:
        number = min(each, -(-(frames - line.tried) // len(clips)))
        tasks, seed = [(str(path), seed, number) for path in clips], seed + 1
        for (path, used, _), result in in_processes(order, read_clip, tasks, 60):
            if isinstance(result, Lost):
                line.note("reader lost", f"{Path(path).name} seed {used}: {result.reason}")
                continue
            for outcome, count in result["ends"].items():
                line.note(outcome, tried=count)
            line.wrong += len(result["wrong"])
            line.failures += result["wrong"][:3]
        order.say(f"{what}: {line.tried:,} frames, {line.wrong} wrong")
    return line


def read_clip(task: tuple[str, int, int]) -> Iterator[Any]:
    """Read about ``each`` frames of a clip; yields how many were right, and those that were not."""
    path, seed, each = Path(task[0]), task[1], task[2]
    expected, keys = straight_digests(path)
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    for wanted in requests(len(expected), keys, random.Random(f"{path.name} {seed}"), each):
        yield None
        read = open_clip(path).read(wanted)
        for index, frame in zip(wanted, read, strict=True):
            right = digest(frame) == expected[index]
            ends["right" if right else "wrong"] += 1
            wrong += [] if right else [f"{path.name} frame {index} of {wanted} (seed {seed})"]
    yield {"ends": dict(ends), "wrong": wrong}


def requests(frames: int, keys: list[int], rng: random.Random, each: int) -> Iterator[list[int]]:
    """Yield ascending frame numbers to be read in one go, about ``each`` in all."""

    def near(key: int) -> int:
        return min(max(0, key + rng.randint(-3, 3)), frames - 1)

    left = each
    while left > 0:
        way = rng.random()
        if way < 0.5 or not keys:
            wanted = {rng.randrange(frames), rng.randrange(frames)}
        elif way < 0.9:
            wanted = {near(rng.choice(keys)), rng.choice([near(rng.choice(keys)), frames - 1])}
        else:
            step = rng.randint(2, 9)
            wanted = set(range(rng.randrange(min(step, frames)), frames, step))
        left -= len(wanted)
        yield sorted(wanted)


def straight_digests(path: Path) -> tuple[list[bytes], list[int]]:
    """Return a digest of every frame of straight decoding, and the numbers of the key frames.

    Frames from the first change of the size on are left out, as they are no part of a clip.
    """
    found: list[bytes] = []
    keys: list[int] = []
    shape = None
    with av.open(str(path), metadata_errors="ignore") as container:
        for number, frame in enumerate(container.decode(container.streams.best("video"))):
            pixels = frame.to_ndarray(format="rgb24")
            shape = shape or pixels.shape
            if pixels.shape != shape:
                break
            found.append(digest(pixels))
            keys += [number] if frame.key_frame else []
    return found, keys


def digest(pixels: np.ndarray) -> bytes:
    """Return a short hash of a frame's pixels and size."""
    return blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
