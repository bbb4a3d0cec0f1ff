"""Bars of many downloads on a terminal."""

import io
import re
import sys

from siammae.system.transfer_progress import MANY, Transfers


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_of_finished_ones_make_room_and_are_counted(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with Transfers(MANY + 4) as told:
        for number in range(MANY + 4):
            told(f"part_{number}.zip", "fetching", 5, 10)
            told(f"part_{number}.zip", "done", 10, 10)
        told("last.zip", "fetching", 5, 10)
        assert [task.description for task in told._bars.tasks] == ["last.zip"]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sys.stdout.getvalue())
    assert f"part_0.zip: done, 1 of {MANY + 4}" in shown
    assert f"part_11.zip: done, {MANY + 4} of {MANY + 4}" in shown


def test_a_few_bars_stay(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with Transfers(2) as told:
        for name in ("a.zip", "b.zip"):
            told(name, "fetching", 5, 10)
            told(name, "done", 10, 10)
        assert [task.description for task in told._bars.tasks] == ["a.zip", "b.zip"]
