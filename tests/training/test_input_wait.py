"""Waiting for clips: said once, with what to do, and never in short runs."""

import json
import re
from types import SimpleNamespace

import pytest

from siammae.data.packing.packed import Packed
from siammae.data.sets.videos import Videos
from siammae.training import input_wait as waiting
from siammae.training.input_wait import WaitMonitor, advice

# Readers in the trainer's own process that take their time, and a run that is long at 20 steps.
SLOW = """
import time
from siammae.data.sampling.loader import PairDataset
from siammae.training import input_wait as waiting
waiting.ENOUGH = 20
read = PairDataset.__getitem__
def slowly(self, visit):
    time.sleep(0.01)
    return read(self, visit)
PairDataset.__getitem__ = slowly
"""
START = "import sys\n{patch}\nfrom siammae.train import main\nsys.exit(main())"


def test_a_run_whose_clips_come_slowly_says_so_once(train, tmp_path, only_run):
    done = train(
        tmp_path, "data.workers=0", "data.in_memory=false", "schedule.steps=40", "log_every=5",
        "checkpoint_every=40", "pictures=0", script=START.format(patch=SLOW),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hints = re.findall(r"hint: (\d+)% of the time was spent waiting for clips\.", done.stdout)
    assert len(hints) == 1
    for words in ("data.workers=", "data.in_memory=true", "siammae.pack"):
        assert words in done.stdout
    run = only_run(tmp_path)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    shares = [row["data/wait_share"] for row in rows if "data/wait_share" in row]
    summary = json.loads((run / "summary.json").read_text())
    assert min(shares) <= summary["data"]["wait_share"] <= max(shares)
    assert summary["data"]["wait_share"] > waiting.SHARE


def hints_of(shares, every=10):
    hints = []
    watch = WaitMonitor(lambda: ["do this"], hints.append, steps=36_110, batch_size=8)
    for number, share in enumerate(shares, start=1):
        speed = {"data/wait_share": share, "speed/pairs_per_second": 40.0}
        watch.row({"step": number * every, **speed})
        watch.row({"step": number * every, "bench/J": 0.5})  # no row of the training
    return hints


def test_runs_of_tens_of_steps_and_fast_ones_say_nothing():
    assert hints_of([0.9] * 10) == []
    assert hints_of([0.9] + [0.1] * 50) == []
    assert hints_of([0.9] * 50) == [
        "hint: 90% of the time was spent waiting for clips. The rest takes 2.0 h at this speed, "
        "12.0 min without waiting.\n    - do this"
    ]
    assert hints_of([0.0] * 30 + [0.2] * 9)[0].startswith("hint: 20%")


@pytest.mark.parametrize(
    ("source", "clips", "resize", "device", "expected"),
    [
        (Videos("x", workers=8), 240_000, "device", "cuda", ["siammae.pack"]),
        (Videos("x", workers=2), 240_000, "device", "cuda", ["data.workers=8", "siammae.pack"]),
        (Videos("x", workers=8), 64, "device", "cuda", ["data.in_memory=true", "siammae.pack"]),
        (Videos("x", workers=8, in_memory=True), 64, "device", "cuda", ["a faster disk"]),
        (Packed("x", workers=8), 240_000, "host", "cuda", ["augment.resize=device"]),
        (Packed("x", workers=8), 240_000, "host", "cpu", ["a faster disk"]),
        (Packed("x", workers=8), 240_000, "device", "cuda", ["a faster disk"]),
        (Packed("x", workers=0), 240_000, "device", "cuda", ["data.workers=8"]),
    ],
)
def test_the_advice_suits_the_run(monkeypatch, source, clips, resize, device, expected):
    monkeypatch.setattr(waiting, "cores", lambda: 16)
    lines = advice(source, SimpleNamespace(resize=resize), clips, device, processes=2)
    assert len(lines) == len(expected)
    assert all(words in line for words, line in zip(expected, lines, strict=True))
