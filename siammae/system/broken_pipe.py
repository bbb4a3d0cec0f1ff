"""Output whose reader has gone, as after ``| head``: the command goes on in silence."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO


class _PipeSafe:
    """A text stream that drops what is written once its reader has gone.

    Python's documentation of SIGPIPE catches `BrokenPipeError` around the whole program and points
    the stream at the null device. That would end a training or leave tables unwritten because
    somebody looked at the first lines only, so here the same is done at the failing write.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._point_at_null()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._point_at_null()

    def _point_at_null(self) -> None:
        """Redirect the descriptor, so that what is still buffered is dropped as well."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


@contextmanager
def ignore_broken_pipe() -> Iterator[None]:
    """Let a command finish its work although nobody reads its output any more."""
    streams: Any = _PipeSafe(sys.stdout), _PipeSafe(sys.stderr)
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            yield
        finally:
            for stream in streams:
                stream.flush()
