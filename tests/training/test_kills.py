"""A multirun that is killed again and again ends with the table of one that was not.

make test-kills does it twenty times; the ordinary suite a few. make storm does it more often, and
kills packing and evaluation as well.
"""

import os
import random

import pytest
from kills import killed_again_and_again, results, rows, tables

KILLS = int(os.environ.get("SIAMMAE_KILLS", "3"))
AXES = ["-m", "experiments=direction", "seed=0,1"]
STEPS = max(60, 30 * KILLS)
LENGTH = [f"schedule.steps={STEPS}", "checkpoint_every=5", "pictures=1", "schedule.evaluations=2"]
MEASURED = ["benchmark=sprites", "benchmark.source.sequences=1", "+benchmark.source.clips=1"]
MEASURED += ["benchmark.source.sequence_frames=4", "+benchmark.source.frames=4"]


@pytest.mark.slow
@pytest.mark.timeout(200 + 120 * KILLS)
def test_kills_at_random_moments_leave_the_table_as_it_would_have_been(train, tmp_path):
    overrides = [*AXES, *LENGTH, *MEASURED, f"benchmark.source.root={train.data}"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    done = train(whole, *overrides)
    assert done.returncode == 0, done.stderr
    hits = killed_again_and_again(
        lambda: train.begin(killed, *overrides), lambda: rows(killed), rows(whole), KILLS,
        random.Random(KILLS),
    )  # fmt: skip
    print(f"{hits} of {KILLS} kills hit a multirun at work")
    assert hits > KILLS / 2
    done = train(killed, *overrides)
    assert done.returncode == 0, done.stderr
    expected = tables(whole)
    assert any(name.startswith("direction") for name in expected)
    assert tables(killed) == expected
    assert results(killed) == results(whole)
