"""What an audit's processes can be given to do; importable there."""

import os
import signal
import time

from siammae.data.auditing.examine import examine


def misbehave(path, name):
    """As the file's name says; any other file is examined."""
    if "hang" in name:
        yield None
        time.sleep(1000)
    if "segfault" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "raises" in name:
        raise RuntimeError("a decoder's own kind of error")
    if "slow" in name:
        for _ in range(8):
            time.sleep(0.25)
            yield None
    yield from examine(path, name)


def always_fail(path, name):
    """Tells that it was asked."""
    raise RuntimeError(f"asked for {name}")
