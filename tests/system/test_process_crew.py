"""Child processes that end in ways of which pebble's pool does not recover."""

import os
import signal
from multiprocessing import active_children

from crew_tasks import work
from processes import wait_until

from siammae.system.process_crew import Lost, ProcessCrew


def outcome(crew, task):
    crew.give(task)
    while True:
        for done, result in crew.finished():
            assert done == task
            return result


def test_a_process_that_exits_without_an_error_is_lost_and_replaced():
    with ProcessCrew(work, 1, 60, ["crew_tasks"]) as crew:
        assert outcome(crew, "leave") == Lost("ended its process (exit code 0)")
        assert outcome(crew, "pid") != os.getpid()


def test_an_idle_process_that_somebody_kills_is_replaced():
    with ProcessCrew(work, 1, 60, ["crew_tasks"]) as crew:
        first = outcome(crew, "pid")
        assert outcome(crew, "pid") == first
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in [child.pid for child in active_children()])
        assert outcome(crew, "pid") != first
