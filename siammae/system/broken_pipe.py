"""Output that nobody reads any more, as after ``| head``: the work goes on, quietly."""

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, TextIO


class Lasting:
    """A stream that writes to nowhere once its reader is gone; else the stream itself."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or drop what nobody reads."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._let_go()
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what nobody reads."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._let_go()

    def _let_go(self) -> None:
        """What is still in the buffer then goes nowhere too, also at the interpreter's end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def lasting(main: Callable[[], int]) -> int:
    """Call an entry point whose reader may leave early; returns its exit code."""
    output = Lasting(sys.stdout)
    with redirect_stdout(output):
        try:
            return main()
        finally:
            output.flush()
