"""Requests to stop: who of a run's processes hears them, and who answers them last.

SIGTERM is sent by Slurm, Kubernetes and people; SIGUSR2 (or SIGUSR1) by Slurm some time before a
limit, to a job that submitit has started: submitit's handler puts the job back into the queue and
ends the process at once. So its turn comes last, when the state is saved and all is closed.
SIGTERM it passes over: Slurm goes on to requeue the job itself, sends SIGUSR2, or kills it; a job
that ends by then is not requeued.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
LINGER = 300.0  # seconds that a process waits for the end when its SIGTERM was passed over
came: list[int] = []  # in this `polite_end`, in order


@contextmanager
def polite_end() -> Iterator[None]:
    """Signals of `SIGNALS` as SystemExit, so that everything open is closed; training waits.

    Without it W&B would lose what it holds, and the state would say running. At the end of the
    block a handler of before it is called with what came: it may requeue the job and exit.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        first, again = not came, number in came
        came.append(number)
        if first or again:  # another kind, as Slurm sends after SIGTERM, does not disturb the end
            raise SystemExit(128 + number)

    came.clear()
    former = handle(leave)
    try:
        yield
    finally:
        restore(former)
        handed_on = [number for number in dict.fromkeys(came) if callable(former.get(number))]
        came.clear()
        for number in handed_on:
            former[number](number, None)
        if signal.SIGTERM in handed_on:
            time.sleep(LINGER)


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


def handle(handler: Any) -> dict[int, Any]:
    """Install a handler, where Python allows it: in the main thread; returns those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in SIGNALS}


def restore(former: dict[int, Any]) -> None:
    """Put back what `handle` returned."""
    for number, handler in former.items():
        # None is a handler that was not installed from Python, which Python cannot put back.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
