"""Data-parallel training: torchrun starts one process a device, each with its share of a step.

In a step each computes the gradients of its part of the batch, which torch averages while the
backward pass still runs (`siammae.training.engines`). Rank 0 alone writes.

What torch does not do, and this file does: errors. What fails between two steps (settings, files,
clips that cannot be read, an evaluation) is raised in all processes, and the next run of a multirun
goes on. What fails within a step leaves the others in an exchange, which ends when the process that
failed closes its connections; they then raise its error, which it has left in torchrun's store.
"""

import atexit
import json
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from siammae.config.schema import TrainConfig
from siammae.evaluation.measuring.share import Alone
from siammae.system.errors import ConfigError, SiammaeError, TrainedElsewhere, TrainingError
from siammae.system.processes import launched

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")

PATIENCE = timedelta(days=2)  # an evaluation may take hours; a dead process shows at once


class Team(Alone):
    """The processes that train a run together; this base class is one process that trains alone.

    Attributes:
        rank: number of this process; 0 is the main one.
        size: number of processes.
    """

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def check_settings(self, settings: TrainConfig, repeated: int) -> None:
        """Raise a ConfigError when the settings do not suit the number of processes.

        Args:
            settings: of the run.
            repeated: number of pairs that are drawn from each opened clip.
        """

    def device(self, name: str) -> "torch.device":
        """Return the device that this process computes on; see `choose_device`."""
        from siammae.assembly.device import choose_device

        return choose_device(name)

    def end_together(self) -> AbstractContextManager[None]:
        """Open the block of a whole run, which an error in one process ends in all of them."""
        return nullcontext()

    def raise_first_error(self) -> AbstractContextManager[None]:
        """Open a block that raises the error of whichever process failed first, in all of them."""
        return nullcontext()

    def broadcast(self, value: Value) -> Value:
        """Return rank 0's value in all processes."""
        return value

    def check_same_run(self, signature: str) -> None:
        """Raise a ConfigError when the processes are about to train different runs."""
        names = self.gather(signature)
        with self.raise_in_all():
            if len(set(names)) > 1:
                raise ConfigError(
                    f"the processes mean different runs, by rank {', '.join(names)}: their clips, "
                    "benchmarks or settings differ; each machine needs the same"
                )

    def sum(self, counts: Sequence[int]) -> list[int]:
        """Return each count summed over the processes."""
        return list(counts)

    def mean(self, values: "Tensor") -> "Tensor":
        """Return the mean of a tensor over the processes."""
        return values

    def gather_rows(self, rows: "Tensor") -> "Tensor":
        """Return the rows (B, D) of all processes by rank, (size * B, D).

        Gradients reach this process's own rows.
        """
        return rows


class TorchrunTeam(Team):
    """The processes that torchrun started, which exchange over gloo on CPUs, over NCCL on GPUs.

    All waiting is done over gloo, whose time-out is `PATIENCE`. NCCL gives up after ten minutes, so
    it is only used when every process is there.
    """

    def __init__(self) -> None:
        import torch
        import torch.distributed as dist

        store, self.rank, self.size = next(dist.rendezvous("env://"))
        cuda = torch.cuda.is_available()
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=dist.PrefixStore("group", store),
            rank=self.rank,
            world_size=self.size,
        )
        self._waiting: Any = dist.new_group(backend="gloo", timeout=PATIENCE)
        self._errors = dist.PrefixStore("errors", store)
        self._raised_in_all: BaseException | None = None
        self.lost = False  # whether the processes can no longer exchange anything
        atexit.register(self._close)

    def _close(self) -> None:
        """Close the connections, unless an exchange hangs in them."""
        import torch.distributed as dist

        if not self.lost and dist.is_initialized():
            dist.destroy_process_group()

    def check_settings(self, settings: TrainConfig, repeated: int) -> None:
        """Check that each process has its own device, and each part of a step as many visits.

        Raises:
            ConfigError: when one device is named for all, or the batch cannot be split so.
        """
        name = settings.device
        if ":" in name or name == "mps":
            raise ConfigError(
                f"device={name} is one device for {self.size} processes; with torchrun write "
                "device=cuda, which gives each process its own, or device=cpu"
            )
        unit = self.size * settings.accumulate * repeated
        if settings.batch_size % unit:
            raise ConfigError(
                f"batch_size={settings.batch_size} is not a multiple of {self.size} processes "
                f"times accumulate={settings.accumulate} times data.repeated_sampling={repeated}; "
                f"start another number of processes, or take a multiple of {unit}"
            )

    def device(self, name: str) -> "torch.device":
        """Return the GPU of this process's local rank, or the CPU.

        Raises:
            ConfigError: when there are more processes than GPUs.
        """
        import torch

        from siammae.assembly.device import choose_device

        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        device = choose_device(name)
        if device.type == "cuda":
            local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if local >= there:
                raise ConfigError(
                    f"there is no GPU for process {local + 1} of this machine, which has {there}; "
                    f"start torchrun with --nproc-per-node={there}"
                )
            device = torch.device("cuda", local)
            torch.cuda.set_device(device)
        return device

    @override
    @contextmanager
    def raise_in_all(self) -> Iterator[None]:
        mine: BaseException | None = None
        try:
            yield
        except BaseException as error:
            mine = error
        try:
            if not self.sum([mine is not None])[0]:
                return
            errors = self.gather(None if mine is None else _pack_error(self.rank, mine))
        except Exception:
            if mine is None:
                raise
            raise mine from None
        # Of several errors, a process without one of its own raises the lowest rank's.
        self._raised_in_all = mine or _unpack_error(next(error for error in errors if error))
        raise self._raised_in_all

    @override
    @contextmanager
    def end_together(self) -> Iterator[None]:
        if self.lost:
            raise TrainingError(
                "the processes lost each other in an earlier run; the same command goes on"
            )
        try:
            with self.raise_first_error():
                yield
        finally:
            if not self.lost:  # wait for all, as torchrun ends those that still write
                with suppress(Exception):
                    self.sum([0])

    @override
    @contextmanager
    def raise_first_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if error is self._raised_in_all:
                raise
            first = self._first_error(error)
            self.lost, self._raised_in_all = True, first
            if first is error:
                raise
            raise first from None

    def _first_error(self, error: BaseException) -> BaseException:
        """Return the error of the process that failed first, which it left in torchrun's store."""
        try:
            mine = json.dumps(_pack_error(self.rank, error))
            first = json.loads(self._errors.compare_set("first", "", mine))
        except Exception:  # torchrun is gone, and its store with it
            return error
        return error if first["rank"] == self.rank else _unpack_error(first)

    @override
    def broadcast(self, value: Value) -> Value:
        import torch.distributed as dist

        values = [value]
        with exchanging():
            dist.broadcast_object_list(values, 0, group=self._waiting)
        return values[0]

    @override
    def gather(self, value: Value) -> list[Value]:
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        with exchanging():
            dist.all_gather_object(values, value, group=self._waiting)
        return values

    @override
    def sum(self, counts: Sequence[int]) -> list[int]:
        import torch
        import torch.distributed as dist

        sums = torch.tensor(counts, dtype=torch.int64)
        with exchanging():
            dist.all_reduce(sums, group=self._waiting)
        return sums.tolist()

    @override
    def mean(self, values: "Tensor") -> "Tensor":
        import torch.distributed as dist

        total = values.clone()
        with exchanging():
            dist.all_reduce(total)
        return total / self.size

    @override
    def gather_rows(self, rows: "Tensor") -> "Tensor":
        import torch
        import torch.distributed as dist

        parts = [torch.empty_like(rows) for _ in range(self.size)]
        with exchanging():
            dist.all_gather(parts, rows.detach().contiguous())
        parts[self.rank] = rows
        return torch.cat(parts)


@contextmanager
def exchanging() -> Iterator[None]:
    """Open a block in which processes exchange something; say it in a line when one is gone."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise  # an error of computing
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"another process of this run is gone, killed or out of memory ({reason}); "
            "the same command goes on"
        ) from None


def _pack_error(rank: int, error: BaseException) -> dict[str, Any]:
    """Describe an error by what can be sent to another process."""
    if not isinstance(error, Exception):  # SIGTERM or Ctrl-C
        code = error.code if isinstance(error, SystemExit) else 130
        return {"rank": rank, "exit": code}
    known = isinstance(error, SiammaeError)
    text = str(error) if known else "".join(traceback.format_exception(error)).strip()
    return {"rank": rank, "text": text, "elsewhere": isinstance(error, TrainedElsewhere)}


def _unpack_error(packed: dict[str, Any]) -> BaseException:
    if "exit" in packed:
        return SystemExit(packed["exit"])
    kind = TrainedElsewhere if packed["elsewhere"] else TrainingError
    return kind(f"rank {packed['rank']}: {packed['text']}")


@cache
def join_team() -> Team:
    """Return this process's team; the first call waits for the others that torchrun started."""
    return TorchrunTeam() if launched() else Team()
