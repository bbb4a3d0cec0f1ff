"""A request to stop is answered at a good moment, and then handed to whoever waits for it.

SIGTERM is sent by Slurm, Kubernetes and people; SIGUSR2 (or SIGUSR1) by Slurm some time before a
limit, to a job that submitit has started: submitit's handler puts the job back into the queue and
ends the process at once. So its turn comes last, when the state is saved and all is closed.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from siammae.config.signals import SIGNALS

EXIT_CODE = 128 + signal.SIGTERM
_came: list[int] = []  # in this `polite_end`, in order


class StopSignal:
    """In a ``with`` block a signal of `SIGNALS` sets ``requested`` instead of ending the process.

    The same signal once more ends it at once. Outside the main thread, where Python allows no
    handlers, the block changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        self._former = _handle(self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _restore(self._former)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in _came:
            raise SystemExit(128 + number)
        _came.append(number)
        self.requested = True


@contextmanager
def polite_end() -> Iterator[None]:
    """Signals of `SIGNALS` as SystemExit, so that everything open is closed; `StopSignal` waits.

    Without it W&B would lose what it holds, and the state would say running. At the end of the
    block a handler of before it is called with what came: it may requeue the job and exit.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        first, again = not _came, number in _came
        _came.append(number)
        if first or again:  # another kind, as Slurm sends after SIGTERM, does not disturb the end
            raise SystemExit(128 + number)

    _came.clear()
    former = _handle(leave)
    try:
        yield
    finally:
        _restore(former)
        came = [number for number in dict.fromkeys(_came) if callable(former.get(number))]
        _came.clear()
        for number in came:
            former[number](number, None)


def _handle(handler: Any) -> dict[int, Any]:
    """Install a handler, where that is allowed; returns those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in SIGNALS}


def _restore(former: dict[int, Any]) -> None:
    for number, handler in former.items():
        # None is a handler that was not installed from Python, which Python cannot put back.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
