"""The way of a batch from the readers to the model: copied and prepared one batch ahead on CUDA."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from siammae.data.sampling.batch import PairBatch

Prepare = Callable[[PairBatch], Any]


class Feed(Iterator[PairBatch]):
    """An iterator over a training's batches on the device, which also prepares their frames.

    On CUDA a batch is copied from pinned memory and prepared on a stream of its own. Whoever calls
    `advance` when a step's work is queued lets that of the next batch run beside it. Elsewhere
    `advance` does nothing, and a batch is prepared when its frames are asked for.

    What reading a batch raises is raised when that batch is asked for, not a step earlier.

    Args:
        batches: as the readers hand them over; those of GPUs are in pinned memory.
        device: of the model.
        prepare: turns a batch on the device into frames, and draws no random numbers.
        ahead: whether to work ahead; None: on CUDA alone.
    """

    def __init__(
        self,
        batches: Iterator[PairBatch],
        device: torch.device,
        prepare: Prepare,
        ahead: bool | None = None,
    ):
        self.batches, self.device, self.prepare = batches, device, prepare
        cuda = device.type == "cuda"
        self.ahead = cuda if ahead is None else ahead
        self._stream = torch.cuda.Stream(device) if cuda and self.ahead else None
        self._next: tuple[PairBatch, Any] | Exception | None = None
        self._now: tuple[PairBatch, Any] | None = None

    def __next__(self) -> PairBatch:
        """Return the next batch, on the device."""
        self._now = None  # its memory is free for what comes
        if not self.ahead:
            self._now = (next(self.batches).to(self.device), None)
            return self._now[0]
        self.advance()
        found, self._next = self._next, None
        if isinstance(found, Exception):
            raise found
        assert found is not None
        self._hand_over(found)
        self._now = found
        return found[0]

    def frames(self) -> Any:
        """Return the frames of the batch that was returned last."""
        assert self._now is not None
        batch, frames = self._now
        return frames if self.ahead else self.prepare(batch)

    def advance(self) -> None:
        """Read, copy and prepare the next batch, if that is to be done ahead and is not done."""
        if not self.ahead or self._next is not None:
            return
        try:
            read = next(self.batches)
            with self._own_stream():
                batch = read.to(self.device)
                self._next = (batch, self.prepare(batch))
        except Exception as error:  # StopIteration included
            self._next = error

    def _own_stream(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _hand_over(self, found: tuple[PairBatch, Any]) -> None:
        """Let the model's stream wait for the batch, and its memory live until that has used it."""
        if self._stream is None:
            return
        stream = torch.cuda.current_stream(self.device)
        stream.wait_stream(self._stream)
        batch, frames = found
        used = frames if isinstance(frames, list) else [frames]
        for value in [*vars(batch).values(), *used]:
            if isinstance(value, Tensor) and value.is_cuda:
                value.record_stream(stream)
