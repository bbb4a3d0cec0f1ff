"""A request to stop (SIGTERM, as Slurm and Kubernetes send it) is answered at a good moment."""

import signal
import threading
from types import FrameType, TracebackType

EXIT_CODE = 128 + signal.SIGTERM


class StopSignal:
    """In a ``with`` block SIGTERM sets ``requested`` instead of ending the process.

    A second SIGTERM ends it at once, unless it is ``patient``: each of several processes may get
    one from torchrun and one from Slurm. Outside the main thread, where Python allows no handlers,
    the block changes nothing.
    """

    def __init__(self, patient: bool = False) -> None:
        self.requested, self.patient = False, patient
        self._former: signal.Handlers | int | object = None

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._former is not None:
            signal.signal(signal.SIGTERM, self._former)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and not self.patient:
            raise SystemExit(EXIT_CODE)
        self.requested = True
