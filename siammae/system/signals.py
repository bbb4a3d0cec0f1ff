"""Requests to stop a run: which of its processes receive them, and in which order they answer.

SIGTERM is sent by Slurm, Kubernetes and people; SIGUSR2 (or SIGUSR1) by Slurm some time before a
limit, to a job that submitit has started: submitit's handler puts the job back into the queue and
ends the process at once. So it is called last, when the state is saved and all is closed. It
ignores SIGTERM: Slurm goes on to requeue the job itself, sends SIGUSR2, or kills it; a job that has
ended by then is not requeued.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
STOPPED = 128 + signal.SIGTERM  # exit code of a process that ended as it was asked to
LINGER = 300.0  # seconds that a process waits to be ended when submitit has ignored its SIGTERM
received: list[int] = []  # signals within this `exit_on_signals`, in order


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn `SIGNALS` into SystemExit within the block, so that everything open is closed.

    Otherwise W&B would lose what it has not sent, and the record would say that the run is still
    trained. Training handles the signals itself, to end its step first (`StopRequest`).
    At the end of the block the handlers of before it are called with what was received: they may
    requeue the job and exit.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        first, again = not received, number in received
        received.append(number)
        if first or again:  # another kind, as Slurm sends after SIGTERM, does not disturb the end
            raise SystemExit(128 + number)

    with _handing_on(leave, (signal.SIGTERM,)):
        yield


@contextmanager
def note_signals() -> Iterator[list[int]]:
    """Note `SIGNALS` within the block, whose work is done by children that receive them as well.

    At its end they are handed on as by `exit_on_signals`. Of the machines of one job the first
    requeues it then; the others wait to be ended with it.
    """
    with _handing_on(lambda number, frame: received.append(number), SIGNALS):
        yield received


@contextmanager
def _handing_on(handler: Any, lingering: tuple[int, ...]) -> Iterator[None]:
    """Handle signals in the block, and hand them to the handlers of before it at its end.

    Those of ``lingering`` that these handlers ignore are followed by the end of the process.
    """
    received.clear()
    former = install_handler(handler)
    try:
        yield
    finally:
        restore_handlers(former)
        handed_on = [number for number in dict.fromkeys(received) if callable(former.get(number))]
        received.clear()
        for number in handed_on:
            former[number](number, None)
        if set(lingering) & set(handed_on):
            time.sleep(LINGER)


@contextmanager
def shield_children_from_signals() -> Iterator[None]:
    """Start processes in this block that never receive `SIGNALS`; this one does, after the block.

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


def install_handler(handler: Any) -> dict[int, Any]:
    """Install a handler of `SIGNALS` and return the ones of before, by number.

    Python allows it in the main thread only; elsewhere nothing happens and the result is empty.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in SIGNALS}


def restore_handlers(former: dict[int, Any]) -> None:
    """Put back the handlers that `install_handler` returned."""
    for number, handler in former.items():
        # None is a handler that was not installed from Python, which Python cannot put back.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


class StopRequest:
    """Turns a signal of `SIGNALS` into a request, answered when a step is done and saved.

    In a ``with`` block such a signal sets ``received`` instead of ending the process. The same
    signal once more ends it at once, unless the block is ``patient``: each of several processes may
    get one from torchrun and one from Slurm. Outside the main thread, where Python allows no
    handlers, the block changes nothing.
    """

    def __init__(self, patient: bool = False) -> None:
        self.received, self.patient = False, patient
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._former = install_handler(self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        restore_handlers(self._former)

    def _note(self, number: int, frame: FrameType | None) -> None:
        repeated = self.received and number in received
        received.append(number)
        self.received = True
        if repeated and not self.patient:
            raise SystemExit(128 + number)
