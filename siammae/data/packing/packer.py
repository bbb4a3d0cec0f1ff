"""A process that packs clips one after another, as its parent tells it."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from siammae.data.packing.row import Row
from siammae.data.packing.shard_writer import How, ShardWriter, WriteFailed
from siammae.data.reading.clips import Clips
from siammae.system.end_with_parent import end_with_parent
from siammae.system.errors import DataError

BEAT = 1.0  # seconds between two signs of life


@dataclass(frozen=True)
class Begin:
    """Open a shard's file and keep its first ``begin`` bytes; has no answer."""

    path: Path
    shard: int
    begin: int


@dataclass(frozen=True)
class Add:
    """Append a clip; the answer is a `Row` or `Broken`, after any number of `Alive`."""

    number: int


@dataclass(frozen=True)
class Close:
    """End the shard; the answer is `Closed`."""


@dataclass(frozen=True)
class Alive:
    """The clip goes on."""


@dataclass(frozen=True)
class Broken:
    """The clip cannot be read."""

    reason: str


@dataclass(frozen=True)
class Closed:
    """The shard is on the disk."""


@dataclass(frozen=True)
class Failed:
    """An answer to anything: the shard cannot be written."""

    reason: str


Answer = Row | Alive | Broken | Closed | Failed


def work(pipe: Connection, clips: Clips, how: How) -> None:
    """Do what comes through the pipe until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends this one
    end_with_parent()
    import cv2

    cv2.setNumThreads(1)
    writer: ShardWriter | None = None
    beat = _Beat(pipe.send)
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        try:
            if isinstance(asked, Begin):
                writer = ShardWriter(asked.path, asked.shard, asked.begin)
                continue
            assert writer is not None
            if isinstance(asked, Close):
                writer.close()
                pipe.send(Closed())
            else:
                pipe.send(writer.add(asked.number, clips, how, beat))
        except DataError as error:
            pipe.send(Broken(str(error)))
        except WriteFailed as error:
            pipe.send(Failed(str(error)))
            os._exit(1)  # closing the file would try again, and complain


class _Beat:
    """Tells from time to time that the work goes on."""

    def __init__(self, send: Callable[[Answer], None]):
        self.send, self.last = send, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last > BEAT:
            self.last = time.monotonic()
            self.send(Alive())
