"""The largest batch of one process whose step fits into memory, found by taking steps.

On CUDA batches are doubled until one does not fit, then the limit is bisected. On a CPU a step that
does not fit would end the process, so the peak is measured at small sizes only and extended to the
memory that is available: beyond a constant it grows with the batch.
"""

import gc
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siammae.assembly.device import choose_device, fast_matmul, keep_memory
from siammae.config.schema import TrainConfig
from siammae.data.sampling.batch import PairBatch
from siammae.data.sampling.loader import make_loader
from siammae.system.errors import ConfigError
from siammae.training.loop import Trainer
from siammae.training.trial import trial_trainer

USABLE = 0.95  # of the memory: batches whose frames were cut larger, and fragments, need the rest
PRECISE = 16  # the limit is bisected to this share of it
MOST = 1 << 16  # samples, at which doubling ends
GROWN = 1 << 28  # bytes that a CPU's peak must have grown by before it is extended


@dataclass
class Fit:
    """What was found.

    Attributes:
        largest: samples that one process can compute at once; 0 when not one visit's fit.
        unit: of which batches are multiples, the samples of a visit to a clip.
        memory: bytes that a step may take.
        tried: sizes of steps that were taken, with what became of each.
        extended: whether ``largest`` was never tried.
    """

    largest: int
    unit: int
    memory: int
    tried: list[str] = field(default_factory=list)
    extended: bool = False


def fit(settings: TrainConfig) -> Fit:
    """Find the largest batch of a configuration on its device, with ``compile=off``.

    Raises:
        ConfigError: when the device is neither a CPU nor CUDA.
        DataError: when the clips are not there.
    """
    device = choose_device(settings.device)
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device={settings.device}: --fit knows the memory of cpu and cuda alone")
    fast_matmul(device)
    if device.type == "cpu":
        keep_memory()
    settings = settings.model_copy(
        update={"compile": "off", "accumulate": 1, "device": str(device)}
    )
    trainer, dataset = trial_trainer(settings, device, steps=1)
    visit = next(iter(make_loader(dataset, dataset.pairs, 0, 1, 0)))
    if device.type == "cpu":
        return _extend(lambda size: _step(trainer, tiled(visit, size)), dataset.pairs)
    return _try(trainer, visit, device, dataset.pairs)


def tiled(batch: PairBatch, size: int) -> PairBatch:
    """Return a batch of ``size`` samples, those of a smaller one again and again."""
    rows = torch.arange(size) % len(batch.clip)
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    repeated: dict[str, Any] = {name: value[rows] for name, value in tensors.items()}
    return replace(batch, **repeated)


def _step(trainer: Trainer, batch: PairBatch) -> None:
    trainer.train_step(1, trainer.feed(iter([batch])))


def _try(trainer: Trainer, visit: PairBatch, device: torch.device, unit: int) -> Fit:
    """Take steps on CUDA, of which some do not fit."""
    torch.cuda.set_per_process_memory_fraction(USABLE, device)
    memory = int(USABLE * torch.cuda.get_device_properties(device).total_memory)

    def fits(size: int) -> bool:
        try:
            _step(trainer, tiled(visit, size))
            torch.cuda.synchronize(device)
            return True
        except torch.OutOfMemoryError:
            return False
        finally:
            trainer.optimiser.zero_grad(set_to_none=True)
            gc.collect()
            torch.cuda.empty_cache()

    try:
        largest, tried = search(fits, unit)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    return Fit(largest, unit, memory, tried)


def search(fits: Callable[[int], bool], unit: int) -> tuple[int, list[str]]:
    """Double a size from ``unit`` on until it does not fit, then bisect.

    Returns:
        the largest multiple of ``unit`` that was seen to fit, to a sixteenth of it, or 0; and what
        was tried.
    """
    tried: list[str] = []

    def ask(size: int) -> bool:
        answer = fits(size)
        tried.append(f"{size} {'fits' if answer else 'does not'}")
        return answer

    low, high = 0, unit
    while high <= MOST and ask(high):
        low, high = high, 2 * high
    if high > MOST:
        return low, tried
    while high - low > max(unit, low // PRECISE):
        middle = (low + high) // (2 * unit) * unit
        low, high = (middle, high) if ask(middle) else (low, middle)
    return low, tried


def _extend(step: Callable[[int], None], unit: int) -> Fit:
    """Measure the peak of a CPU's memory at small sizes, and extend it to what is available."""
    before = _peak()
    memory = int(USABLE * available_memory())
    step(unit)  # the optimiser's state and the libraries' own, which do not grow
    peaks, size = [(unit, _peak())], unit
    tried: list[str] = []
    while len(peaks) < 3 or peaks[-1][1] - peaks[0][1] < min(GROWN, memory // 8):
        size *= 2
        step(size)
        peaks.append((size, _peak()))
        tried.append(f"{size} takes {(peaks[-1][1] - before) / 2**20:,.0f} MiB")
        if size >= MOST:
            break
    largest = extended(peaks[-2], peaks[-1], before + memory)
    return Fit(min(largest, MOST) // unit * unit, unit, memory, tried, extended=True)


def extended(smaller: tuple[int, int], larger: tuple[int, int], limit: int) -> int:
    """Return the size at which a line through two (size, bytes) reaches ``limit`` bytes."""
    growth = max(1, larger[1] - smaller[1]) / (larger[0] - smaller[0])
    return max(0, int(larger[0] + (limit - larger[1]) / growth))


def _peak() -> int:
    """Return the most bytes of memory that this process has had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def available_memory() -> int:
    """Return the bytes that new memory can take without swapping: of the machine and its cgroup.

    Raises:
        ConfigError: where the system does not say.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        raise ConfigError(
            "--fit on a CPU reads /proc/meminfo, which only Linux has; take smaller steps by hand"
        ) from None
    free = 1024 * int(line.split()[1])
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        return min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):  # no such group, or no limit
        return free


def report(found: Fit, batch_size: int, whole_batch: bool) -> list[str]:
    """Return lines that say what fits, and how to train with ``batch_size`` samples a step."""
    lines = [
        f"memory for a step: {found.memory / 2**30:.1f} GiB",
        "  tried: " + ", ".join(found.tried),
    ]
    if not found.largest:
        return [*lines, f"not even {found.unit} samples fit; memory=checkpoint takes less"]
    how = "extended from these" if found.extended else "seen to fit"
    lines.append(f"largest batch of one process: {found.largest} samples ({how})")
    if batch_size <= found.largest:
        return [*lines, f"  batch_size={batch_size} accumulate=1 fits"]
    parts = [
        n
        for n in range(2, batch_size + 1)
        if batch_size % (n * found.unit) == 0 and batch_size // n <= found.largest
    ]
    if whole_batch or not parts:
        cure = "a smaller batch_size, more processes, or memory=checkpoint"
        return [*lines, f"  batch_size={batch_size} does not fit in parts; take {cure}"]
    size = batch_size // parts[0]
    return [*lines, f"  batch_size={batch_size} fits with accumulate={parts[0]}: {size} at once"]
