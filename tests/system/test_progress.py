"""Plain lines of progress, and bars on a terminal."""

import io
import re
import sys

import pytest

from siammae.system import progress
from siammae.system.progress import BYTES, MANY, ProgressDisplay


@pytest.fixture
def clock(monkeypatch):
    """clock(seconds) lets time pass."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def go(seconds):
        now[0] += seconds

    return go


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make standard output a terminal, from the call on; what it returns reads what was shown."""

    def start():  # pytest sets the stream again before the test's own body
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdout", Terminal())
        return lambda: re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sys.stdout.getvalue())

    return start


def test_no_time_left_is_printed_before_five_steps_are_timed(clock, capsys):
    """The first takes 30 seconds, because readers start and the device warms up."""
    with ProgressDisplay("step", "plain") as display:
        clock(30)
        display.update(11, 100)
        for step in range(12, 17):
            clock(10)
            display.update(step, 100, "loss 0.5000  8 pairs/s")
        printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "  step 11/100",
        *(f"  step {step}/100  loss 0.5000  8 pairs/s" for step in range(12, 16)),
        "  step 16/100  loss 0.5000  8 pairs/s  840 s left",
    ]
    assert capsys.readouterr().out == ""  # the last state is printed already


def test_a_task_that_ends_early_prints_its_last_state(clock, capsys):
    with ProgressDisplay("step", "plain") as display:
        display.update(1, 100)
        display.update(1, 100, "loss 0.5000")
    assert capsys.readouterr().out == "  step 1/100  loss 0.5000\n"


def test_nothing_is_printed_where_that_is_asked(clock, capsys):
    with ProgressDisplay("step", "none") as display:
        clock(100)
        display.update(100, 100)
    assert capsys.readouterr().out == ""


def test_every_stage_of_a_download_is_printed(clock, capsys):
    with ProgressDisplay(BYTES, "plain") as display:
        for done in (0, 1_000_000, 2_000_000):
            display.update(done, 2_000_000, task="a.zip", stage="fetching")
        display.update(0, None, task="a.zip", stage="checking")
        clock(10)
        display.update(1_500_000, None, task="b.zip", stage="unpacking")
        display.update(2_000_000, 2_000_000, task="a.zip", stage="done")
    assert capsys.readouterr().out.splitlines() == [
        "  a.zip: fetching 0.0 of 2.0 MB",
        "  a.zip: checking",
        "  b.zip: unpacking 1.5 MB",
        "  a.zip: done",
    ]


def test_bars_of_finished_ones_make_room_and_are_counted(terminal):
    shown = terminal()
    with ProgressDisplay(BYTES, tasks=MANY + 4) as display:
        for number in range(MANY + 4):
            display.update(5, 10, task=f"part_{number}.zip", stage="fetching")
            display.update(10, 10, task=f"part_{number}.zip", stage="done")
        display.update(5, 10, task="last.zip", stage="fetching")
        assert [task.description for task in display._bars.tasks] == ["last.zip"]
    assert f"part_0.zip: done, 1 of {MANY + 4}" in shown()
    assert f"part_11.zip: done, {MANY + 4} of {MANY + 4}" in shown()


def test_a_few_bars_stay(terminal):
    terminal()
    with ProgressDisplay(BYTES, tasks=2) as display:
        for name in ("a.zip", "b.zip"):
            display.update(5, 10, task=name, stage="fetching")
            display.update(10, 10, task=name, stage="done")
        assert [task.description for task in display._bars.tasks] == ["a.zip", "b.zip"]


def test_a_bar_counts_from_where_a_resumed_run_begins(terminal):
    shown = terminal()
    with ProgressDisplay("step") as display:
        display.update(40, 100, "loss 0.5000")
        assert [(task.completed, task.total) for task in display._bars.tasks] == [(40, 100)]
    assert "40/100" in shown()
    assert "loss 0.5000" in shown()
