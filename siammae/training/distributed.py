"""Data-parallel training: one process a device, started by torchrun, each with its share of a step.

Every process has the whole model and optimiser. In a step each computes the gradients of its part
of the batch; their mean is the gradient of the whole batch. Rank 0 alone writes and evaluates.

Gradients are averaged after the backward pass, not during it as torch's DistributedDataParallel
does. So all computing of a step is free of communication, and when it fails in one process, for
lack of memory say, the others learn of it instead of waiting for ever. The price is that the
exchange, 4 bytes a parameter, does not overlap with computing.
"""

import atexit
import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from siammae.config.schema import TrainConfig
from siammae.system.errors import ConfigError, SiammaeError, TrainedElsewhere, TrainingError
from siammae.system.processes import launched

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")

PATIENCE = timedelta(days=2)  # an evaluation may take hours; a dead process is noticed at once


class Team:
    """The processes that train a run together; this base is one process that trains alone.

    rank: number of this process; 0 leads. size: how many there are.
    """

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this process writes, tells and evaluates."""
        return self.rank == 0

    def check(self, settings: TrainConfig) -> None:
        """Raise a ConfigError when the settings do not suit the number of processes."""

    def device(self, name: str) -> "torch.device":
        """The device that this process computes on; see `choose_device`."""
        from siammae.assembly.device import choose_device

        return choose_device(name)

    def together(self) -> AbstractContextManager[None]:
        """A block that all leave at the same time: what one raises in it, all raise.

        Nothing in the block may communicate.
        """
        return nullcontext()

    def united(self) -> AbstractContextManager[None]:
        """The block of a whole run. An error outside of `together` ends it in every process."""
        return nullcontext()

    def blaming(self) -> AbstractContextManager[None]:
        """A block out of which another process's error comes, when its own is but the echo."""
        return nullcontext()

    def share(self, value: Value) -> Value:
        """Rank 0's value, in all."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by rank."""
        return [value]

    def agree(self, signature: str) -> None:
        """Raise a ConfigError when the processes mean different runs."""
        names = self.gather(signature)
        with self.together():
            if len(set(names)) > 1:
                raise ConfigError(
                    f"the processes mean different runs, by rank {', '.join(names)}: their clips, "
                    "benchmarks or settings differ; each machine needs the same"
                )

    def total(self, counts: Sequence[int]) -> list[int]:
        """Each count summed over the processes."""
        return list(counts)

    def average(self, tensors: Sequence["Tensor"]) -> None:
        """Replace each tensor, on the device, by its mean over the processes."""


class Processes(Team):
    """Those that torchrun started: collectives over gloo on CPUs, over NCCL on GPUs.

    All waiting is done over gloo, whose time-out is `PATIENCE`; NCCL, which would give up after ten
    minutes, is only asked when everyone is there.
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
        self._words = dist.PrefixStore("words", store)
        self._agreed: BaseException | None = None
        self.lost = False
        atexit.register(self._part)

    def _part(self) -> None:
        """Close what is open, unless an exchange hangs in it."""
        import torch.distributed as dist

        if not self.lost and dist.is_initialized():
            dist.destroy_process_group()

    def check(self, settings: TrainConfig) -> None:
        """Each process has a device of its own, and each part of a step as many visits.

        Raises:
            ConfigError: when one device is named for all, or the batch cannot be split so.
        """
        name = settings.device
        if ":" in name or name == "mps":
            raise ConfigError(
                f"device={name} is one device for {self.size} processes; with torchrun write "
                "device=cuda, which gives each process its own, or device=cpu"
            )
        repeated = settings.data.repeated_sampling
        unit = self.size * settings.accumulate * repeated
        if settings.batch_size % unit:
            raise ConfigError(
                f"batch_size={settings.batch_size} is not a multiple of {self.size} processes "
                f"times accumulate={settings.accumulate} times data.repeated_sampling={repeated}; "
                f"start another number of processes, or take a multiple of {unit}"
            )

    def device(self, name: str) -> "torch.device":
        """The GPU of this process's local rank, or the CPU.

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

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `Team.together`. Of several errors the lowest rank's is told."""
        mine: BaseException | None = None
        try:
            yield
        except BaseException as error:
            mine = error
        try:
            if not self.total([mine is not None])[0]:
                return
            words = self.gather(None if mine is None else _word(self.rank, mine))
        except Exception:
            if mine is None:
                raise
            raise mine from None
        self._agreed = mine or _from_word(next(word for word in words if word))
        raise self._agreed

    @contextmanager
    def united(self) -> Iterator[None]:
        """See `Team.united`. All end together, so that torchrun ends none while it still writes."""
        if self.lost:
            raise TrainingError(
                "the processes lost each other in an earlier run; the same command goes on"
            )
        try:
            with self.blaming():
                yield
        finally:
            if not self.lost:
                with suppress(Exception):
                    self.total([0])

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """See `Team.blaming`."""
        try:
            yield
        except BaseException as error:
            if error is self._agreed:
                raise
            told = self._first_word(error)
            self.lost, self._agreed = True, told
            if told is error:
                raise
            raise told from None

    def _first_word(self, error: BaseException) -> BaseException:
        """The first process to fail leaves its word in torchrun's store."""
        try:
            mine = json.dumps(_word(self.rank, error))
            word = json.loads(self._words.compare_set("first", "", mine))
        except Exception:  # torchrun is gone, and its store with it
            return error
        return error if word["rank"] == self.rank else _from_word(word)

    def share(self, value: Value) -> Value:
        """See `Team.share`; the value is pickled."""
        import torch.distributed as dist

        values = [value]
        self._with_all(lambda: dist.broadcast_object_list(values, 0, group=self._waiting))
        return values[0]

    def gather(self, value: Value) -> list[Value]:
        """See `Team.gather`; the values are pickled."""
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        self._with_all(lambda: dist.all_gather_object(values, value, group=self._waiting))
        return values

    def total(self, counts: Sequence[int]) -> list[int]:
        """See `Team.total`."""
        import torch
        import torch.distributed as dist

        sums = torch.tensor(counts, dtype=torch.int64)
        self._with_all(lambda: dist.all_reduce(sums, group=self._waiting))
        return sums.tolist()

    def average(self, tensors: Sequence["Tensor"]) -> None:
        """See `Team.average`; one exchange for all, and the same bits everywhere."""
        import torch
        import torch.distributed as dist

        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self._with_all(lambda: dist.all_reduce(flat))
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def _with_all(self, exchange: Callable[[], Any]) -> None:
        try:
            exchange()
        except RuntimeError as error:  # gloo's and NCCL's alike
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(
                f"another process of this run is gone, killed or out of memory ({reason}); "
                "the same command goes on"
            ) from None


def _word(rank: int, error: BaseException) -> dict[str, Any]:
    """An error in words that can be sent."""
    if not isinstance(error, Exception):  # SIGTERM or Ctrl-C
        code = error.code if isinstance(error, SystemExit) else 130
        return {"rank": rank, "exit": code}
    known = isinstance(error, SiammaeError)
    text = str(error) if known else "".join(traceback.format_exception(error)).strip()
    return {"rank": rank, "text": text, "elsewhere": isinstance(error, TrainedElsewhere)}


def _from_word(word: dict[str, Any]) -> BaseException:
    if "exit" in word:
        return SystemExit(word["exit"])
    kind = TrainedElsewhere if word["elsewhere"] else TrainingError
    return kind(f"rank {word['rank']}: {word['text']}")


@cache
def join() -> Team:
    """The team of this process; when torchrun started it, the others are met here, once."""
    return Processes() if launched() else Team()
