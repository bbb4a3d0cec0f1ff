"""A request to stop is answered at a good moment: when a step is done and the state is saved."""

import signal
from types import FrameType, TracebackType
from typing import Any

from siammae.system.signals import install_handler, received, restore_handlers

EXIT_CODE = 128 + signal.SIGTERM


class StopSignal:
    """In a ``with`` block a signal of `SIGNALS` sets ``requested`` instead of ending the process.

    The same signal once more ends it at once, unless it is ``patient``: each of several processes
    may get one from torchrun and one from Slurm. Outside the main thread, where Python allows no
    handlers, the block changes nothing.
    """

    def __init__(self, patient: bool = False) -> None:
        self.requested, self.patient = False, patient
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
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
        again = self.requested and number in received
        received.append(number)
        self.requested = True
        if again and not self.patient:
            raise SystemExit(128 + number)
