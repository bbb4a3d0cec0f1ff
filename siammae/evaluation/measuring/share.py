"""Processes that measure together: each takes its share of the videos, and all get the figures.

A benchmark asks of them only what `Share` has, which the team of a training gives. The processes
run the same calls in the same order, so whatever only one of them may decide, such as whether a
result is there already, is decided by the first and told to the others.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from siammae.system.errors import DataError

if TYPE_CHECKING:
    from siammae.evaluation.measuring.benchmark import Benchmark
    from siammae.evaluation.measuring.result import BenchmarkResult

Value = TypeVar("Value")
# What callers catch: files that cannot be used, and a control that a benchmark does not have.
_CAUGHT = (DataError, NotImplementedError)


class Share(Protocol):
    """The processes that measure together, of which this one is number ``rank`` of ``size``."""

    rank: int
    size: int

    def raise_in_all(self) -> AbstractContextManager[None]:
        """Open a block, free of communication, of which all raise what one raises."""

    def gather(self, value: Value, /) -> list[Value]:
        """Return the values of all processes in all of them, by rank."""


class Alone:
    """One process that measures everything."""

    rank, size = 0, 1

    def raise_in_all(self) -> AbstractContextManager[None]:
        """Open a block that changes nothing."""
        return nullcontext()

    def gather(self, value: Value, /) -> list[Value]:
        """Return the value."""
        return [value]


ALONE = Alone()


def by_each(share: Share, compute: Callable[[], Value]) -> list[Value]:
    """Return what each process computes, in all of them, by rank."""
    with share.raise_in_all():
        mine = compute()
    return share.gather(mine)


def by_first(share: Share, compute: Callable[[], Value]) -> Value:
    """Return what the first process computes, in all of them.

    Raises:
        DataError: the first's own, in all, so that whoever catches it does so in all.
        NotImplementedError: likewise.
    """
    if share.size == 1:
        return compute()

    def attempt() -> tuple[Any, Exception | None]:
        if share.rank:
            return None, None
        try:
            return compute(), None
        except _CAUGHT as error:
            return None, error

    made: Value
    made, error = by_each(share, attempt)[0]
    with share.raise_in_all():
        if error is not None:
            raise error
    return made


def first_then_others(share: Share, act: Callable[[], object]) -> None:
    """Let the first process act, and then the others, which find what it wrote."""
    for rest in (False, True):
        with share.raise_in_all():
            if (share.rank > 0) == rest:
                act()


def measure_together(
    benchmark: "Benchmark", share: Share, measure: Callable[["Benchmark"], "BenchmarkResult"]
) -> "BenchmarkResult":
    """Return a measurement of a benchmark in all processes, whose videos they share.

    One that says that it cannot be split is measured by the first, while the others wait.

    Args:
        benchmark: of each process.
        share: the processes.
        measure: calls a measurement of the benchmark that it is given.
    """
    if not benchmark.can_be_split:
        benchmark.share = ALONE
        return by_first(share, lambda: measure(benchmark))
    benchmark.share = share
    try:
        return measure(benchmark)
    finally:
        benchmark.share = ALONE
