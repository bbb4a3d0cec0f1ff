"""Plain lines of progress."""

import pytest

from siammae.system import progress
from siammae.system.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """clock(seconds) lets time pass."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def go(seconds):
        now[0] += seconds

    return go


def test_no_time_left_is_told_before_five_steps_are_timed(clock, capsys):
    """The first takes 30 seconds, because readers start and the device warms up."""
    with ProgressBar(100, 10, "plain") as bar:
        clock(30)
        bar.advance(11)
        for step in range(12, 17):
            clock(10)
            bar.measured(0.5, 8.0)
            bar.advance(step)
        told = capsys.readouterr().out.splitlines()
    assert told == [
        "  step 11/100",
        *(f"  step {step}/100  loss 0.5000  8 pairs/s" for step in range(12, 16)),
        "  step 16/100  loss 0.5000  8 pairs/s  840 s left",
    ]


def test_a_run_that_ends_early_tells_its_last_step(clock, capsys):
    with ProgressBar(100, 0, "plain") as bar:
        bar.advance(1)
    assert capsys.readouterr().out == "  step 1/100\n"
