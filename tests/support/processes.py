"""Commands in real processes: what they hear, and waiting for what they do."""

import os
import signal
import time


def hear_interrupts():
    """What a shell starts in the background ignores them, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(holds, process=None, pause=0.005):
    """For a minute at most; fails at once when the process ends before."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(pause)


def group_lives(number):
    """Whether any process of a group is left."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True
