"""Batches reach the model in order, one ahead or not, with their own frames and errors."""

from dataclasses import replace

import pytest
import torch

from siammae.system.errors import DataError
from siammae.training.feed import Feed

from .test_loop import batch

CPU = torch.device("cpu")


def numbered(number):
    return replace(batch(number), clip=torch.tensor([number, number]))


def source(log, end, error_at=None):
    """Batches 1 to ``end``; the log tells when each is read."""
    for number in range(1, end + 1):
        log.append(f"read {number}")
        if number == error_at:
            raise DataError(f"batch {number} is broken")
        yield numbered(number)


def prepare(log):
    def prepared(made):
        log.append(f"prepare {made.clip[0].item()}")
        return 2 * made.frames

    return prepared


def stepped(feed, log, steps):
    """Take steps as the trainer does; return the batches' numbers."""
    taken = []
    for _ in range(steps):
        made = next(feed)
        frames = feed.frames()
        assert torch.equal(frames, 2 * made.frames)
        taken.append(made.clip[0].item())
        log.append(f"step {taken[-1]}")
        feed.advance()
    return taken


def test_on_a_cpu_nothing_is_done_ahead():
    log = []
    assert stepped(Feed(source(log, 3), CPU, prepare(log)), log, 2) == [1, 2]
    assert log == ["read 1", "prepare 1", "step 1", "read 2", "prepare 2", "step 2"]


def test_ahead_the_next_batch_is_ready_after_a_step():
    log = []
    feed = Feed(source(log, 3), CPU, prepare(log), ahead=True)
    assert stepped(feed, log, 3) == [1, 2, 3]
    assert log[:5] == ["read 1", "prepare 1", "step 1", "read 2", "prepare 2"]
    assert log.count("read 3") == 1
    with pytest.raises(StopIteration):
        next(feed)


@pytest.mark.parametrize("ahead", [False, True])
def test_an_error_comes_with_its_own_batch(ahead):
    log = []
    feed = Feed(source(log, 3, error_at=3), CPU, prepare(log), ahead)
    assert stepped(feed, log, 2) == [1, 2]
    with pytest.raises(DataError, match="batch 3 is broken"):
        next(feed)


def test_what_prepares_may_fail_too():
    def failing(made):
        raise RuntimeError("out of memory")

    feed = Feed(source([], 3), CPU, failing, ahead=True)
    feed.advance()
    with pytest.raises(RuntimeError, match="out of memory"):
        next(feed)


def test_steps_without_advance_get_the_same_batches():
    """As within a step that is computed in parts."""
    feed = Feed(source([], 4), CPU, prepare([]), ahead=True)
    assert [next(feed).clip[0].item() for _ in range(2)] == [1, 2]
    feed.advance()
    feed.advance()
    assert [next(feed).clip[0].item() for _ in range(2)] == [3, 4]


@pytest.mark.gpu
def test_on_cuda_a_batch_is_copied_and_prepared_beside_a_step():
    cuda = torch.device("cuda")
    pinned = (made.pin_memory() for made in source([], 20))
    feed, streams = Feed(pinned, cuda, lambda made: made.frames * 2), set()
    work = torch.randn(2048, 2048, device=cuda)
    for number in range(1, 21):
        made = next(feed)
        for _ in range(20):  # keeps the model's stream busy
            work = torch.tanh(work @ work)
        found = feed.frames() + 0
        feed.advance()
        streams.add(feed._stream.cuda_stream)
        assert torch.equal(found.cpu(), 2 * numbered(number).frames)
        assert made.clip.cpu().tolist() == [number, number]
    assert torch.cuda.current_stream().cuda_stream not in streams
