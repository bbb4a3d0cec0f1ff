"""Requests to stop, and who of a run's processes hears them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that start in this block do not hear `SIGNALS`; this one does, after it.

    Slurm sends them to all processes of a job: the trainer's helpers would be gone before it had
    ended its step and saved.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
